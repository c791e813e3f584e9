"""Editors and other programs that change files, each with its defaults, as a person would use them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.mounting import away, program
from tests.program import surroundings
from tests.terminal import Terminal, started

ESC, RETURN = "\x1b", "\r"


class Session(Protocol):
    """A program with a file: what is done in it is saved at once. `edit` is of the program's own kind."""

    def replace(self, old: str, new: str) -> str:
        """Put one word in the place of another one; what the program says."""

    def delete(self, word: str) -> str:
        """Take the lines with a word away; what the program says."""


class Program(Protocol):
    """A way to change files."""

    @property
    def complains(self) -> str:
        """What it says when a save is refused, "" where it says nothing."""

    def session(self, file: Path, home: Path) -> AbstractContextManager[Session]:
        """The program at work on a file."""
        ...


@asynccontextmanager
async def at_work(tool: Program, file: Path, home: Path) -> AsyncIterator[Session]:
    """A program at work on a file of a mount that this process serves: what it does is for other threads."""
    session = tool.session(file, home)
    try:
        yield await away(session.__enter__)
    finally:
        await away(session.__exit__, None, None, None)


@dataclass(frozen=True)
class Editor:
    """An editor at a terminal: which keys do what, and what it then shows.

    `ready` is seen when it can be typed into, `saved` when it has saved. `asks` are questions of an editor
    that has noticed that somebody else changed the file, and the answers of a person who goes on.
    """

    command: Sequence[str]
    replace: Callable[[str, str], str]
    delete: Callable[[str], str]
    save: str
    saved: str
    complains: str
    ready: str = "2019-04-09"
    asks: Mapping[str, str] = field(default_factory=dict)

    @contextmanager
    def session(self, file: Path, home: Path) -> Iterator[Session]:
        """The editor with a file, until the terminal's window is closed."""
        first, *rest = self.command
        there = ["sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", str(file.parent), program(first)]
        env = surroundings(home, TERM="xterm", SHELL="/bin/sh", LANG="C.UTF-8")
        with started(home, [*there, *rest, file.name], env) as terminal:
            terminal.read_until(self.ready)
            yield _Typing(self, terminal)


@dataclass(frozen=True)
class _Typing:
    editor: Editor
    terminal: Terminal

    def replace(self, old: str, new: str) -> str:
        return self._save(self.editor.replace(old, new))

    def delete(self, word: str) -> str:
        return self._save(self.editor.delete(word))

    def _save(self, keys: str) -> str:
        before = len(self.terminal.shown)
        for key in keys.split("\0"):  # with a pause, where an editor must have come so far
            self._type(key)
        self._type(self.editor.save)
        self.terminal.read_any(self.editor.saved, self.editor.complains)
        return self.terminal.shown[before:]

    def _type(self, key: str, *asked: str) -> None:
        self.terminal.skip()
        self.terminal.type(key)
        self.terminal.pause()
        for question, answer in self.editor.asks.items():
            if question in self.terminal.unread and question not in asked:  # it is shown with the answer, too
                self._type(answer, question)


@dataclass(frozen=True)
class Command:
    """A line for a shell, in which FILE, OLD and NEW are variables; another one takes lines away."""

    line: str
    complains: str = "Invalid argument"

    @contextmanager
    def session(self, file: Path, home: Path) -> Iterator[Session]:
        """The command in the file's directory."""
        yield _Running(self, file, home)


@dataclass(frozen=True)
class _Running:
    command: Command
    file: Path
    home: Path

    def replace(self, old: str, new: str) -> str:
        return self._run(f"s/{old}/{new}/")

    def delete(self, word: str) -> str:
        return self._run(f"/{word}/d")

    def _run(self, edit: str) -> str:
        there = {"FILE": self.file.name, "EDIT": edit, "PYTHON": sys.executable, "TOP": self.file.parent.name}
        done = subprocess.run(
            [
                "bash",
                "-c",
                'T=$(mktemp -d); trap "rm -rf $T" EXIT; cd "$1"; ' + self.command.line,
                "bash",
                self.file.parent,
            ],
            env=surroundings(self.home, TMPDIR=str(self.home), **there),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        said = done.stdout + done.stderr
        assert said or not done.returncode
        return said


NEW_TEXT = 'sed "$EDIT" "$FILE" >$T/new; '
EDITORS: dict[str, Program] = {
    "vim": Editor(
        ["vim"],
        lambda old, new: f":%s/{old}/{new}/{RETURN}",
        lambda word: f":g/{word}/d{RETURN}",
        f":w{RETURN}",
        " written",
        "E512",
    ),
    "vim with a backup": Editor(
        ["vim", "-c", "set backupskip="],  # vim makes none below /tmp, where this mount is
        lambda old, new: f":%s/{old}/{new}/{RETURN}",
        lambda word: f":g/{word}/d{RETURN}",
        f":w{RETURN}",
        " written",
        "E512",
    ),
    "nvim": Editor(
        ["nvim"],
        lambda old, new: f":%s/{old}/{new}/{RETURN}",
        lambda word: f":g/{word}/d{RETURN}",
        f":w{RETURN}",
        " written",
        "invalid argument",
    ),
    "emacs": Editor(
        ["emacs", "-nw"],
        lambda old, new: f"{ESC}<\0{ESC}xreplace-string{RETURN}\0{old}{RETURN}\0{new}{RETURN}",
        lambda word: f"{ESC}<\0{ESC}xflush-lines{RETURN}\0{word}{RETURN}",
        "\x18\x13",
        "Wrote ",
        "nvalid argument",
        asks={"really edit the buffer": "y", "Save anyway": f"yes{RETURN}"},
    ),
    "nano": Editor(
        ["nano"],
        lambda old, new: f"\x1c\0{old}{RETURN}\0{new}{RETURN}\0A",
        lambda word: f"\x17\0{word}{RETURN}\0\x0b",
        f"\x0f\0{RETURN}",
        "Wrote ",
        "Invalid argument",
        asks={"has changed": "Y"},
    ),
    "micro": Editor(
        ["micro"],
        lambda old, new: f"\x05\0replaceall '{old}' '{new}'{RETURN}",
        lambda word: f"\x05\0replaceall '.*{word}.*' ''{RETURN}",
        "\x13",
        "Saved ",
        "nvalid argument",
    ),
    "kak": Editor(
        ["kak"],
        lambda old, new: f"%s{old}{RETURN}\0c{new}{ESC}\0",
        lambda word: f"%s[^\\n]*{word}[^\\n]*\\n{RETURN}\0d\0",
        f":w{RETURN}",
        "",
        "",
    ),
    "ed": Editor(
        ["ed", "-v", "-p", "* "],
        lambda old, new: f",s/{old}/{new}/{RETURN}",
        lambda word: f"g/{word}/d{RETURN}",
        f"w{RETURN}",
        "\n* ",
        "Invalid argument",
        ready="* ",
    ),
}
COMMANDS: dict[str, Program] = {
    "sed": Command('sed -i "$EDIT" "$FILE"'),
    "perl": Command(
        "perl -i -ne 'BEGIN { $e = shift } $e =~ m{^/(.*)/d} ? (/$1/ or print) : (eval $e, print)'"
        ' "$EDIT" "$FILE"'
    ),
    "patch": Command(NEW_TEXT + 'diff -u "$FILE" $T/new | patch "$FILE" >/dev/null'),
    "git apply": Command(
        NEW_TEXT
        + 'cd ..; diff -u --label "a/$TOP/$FILE" --label "b/$TOP/$FILE" "$TOP/$FILE" $T/new >$T/diff;'
        " git apply $T/diff"
    ),
    "rsync": Command(NEW_TEXT + 'rsync -c $T/new "$FILE"'),
    "sponge": Command('sed "$EDIT" "$FILE" | sponge "$FILE"'),
    "cp": Command(NEW_TEXT + 'cp $T/new "$FILE"'),
    "mv": Command(
        NEW_TEXT + 'cp $T/new "$FILE.tmp" && mv "$FILE.tmp" "$FILE" || { rm "$FILE.tmp"; exit 1; }',
        "cannot move",
    ),
    ">": Command(NEW_TEXT + 'cat $T/new >"$FILE"'),
    "python": Command(
        NEW_TEXT + "$PYTHON -c '"
        "import sys; from pathlib import Path; "
        'Path(sys.argv[2]).write_bytes(Path(sys.argv[1]).read_bytes())\' $T/new "$FILE"'
    ),
    # As in src/vs/platform/files/node/diskFileSystemProvider.ts: truncates, writes, fdatasync, closes.
    "VS Code": Command(
        NEW_TEXT + "$PYTHON -c '"
        'import os, sys; data = open(sys.argv[1], "rb").read(); '
        "file = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_TRUNC); "
        'os.write(file, data); os.fdatasync(file); os.close(file)\' $T/new "$FILE"'
    ),
}
PROGRAMS = EDITORS | COMMANDS
