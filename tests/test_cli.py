"""The program: how it ends, what it says when something is wrong, and what it loads."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import httpx
import pytest
from offtracfs_cli.main import COMMANDS, main

from offtracfs.database import Database, Settings
from tests.helpers import README, ROOT
from tests.mounting import append, ticket
from tests.program import PROGRAM, SPRING, ServedTrac, offtracfs, serving, started, surroundings


@pytest.fixture
def trac() -> Iterator[ServedTrac]:
    """A Trac on loopback, without tickets."""
    with serving() as served:
        yield served


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """An empty database of a tracker that nobody answers for."""
    return Database.create(tmp_path / "db", Settings("http://127.0.0.1:9", user="admin"))


def of(trac: ServedTrac, tmp_path: Path) -> Database:
    """An empty database of a Trac that answers."""
    return Database.create(tmp_path / "db", Settings(trac.url, user="admin"))


def fails(home: Path, code: int, words: str, *arguments: str | Path, **environment: str) -> None:
    """The program ends with that code and one sentence on stderr, in which the words are."""
    done = offtracfs(home, *arguments, **environment)
    assert done.returncode == code, done
    assert done.stdout == ""
    assert re.fullmatch(rf"offtracfs: .*{words}.*\n", done.stderr), done.stderr


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("init", "Missing argument 'URL'"),
        ("init a b", "unexpected extra argument"),
        ("init http://ann:secret@trac.example.org", "leave them out"),
        ("init ftp://trac.example.org", "https://"),
        ("init trac.example.org", "https://"),
        ("sync --quiet --json", "cannot be had together"),
        ("sync --interval 5", "--interval goes with --watch"),
        ("sync --watch --interval 0", "0.0 is not in the range"),
        ("sync --watch --interval nan", "nan is not in the range"),
        ("mount here --interval 99999999", "99999999.0 is not in the range"),
        ("sync now", "unexpected extra argument"),
        ("status --all", "No such option"),
        ("check --all", "No such option"),
        ("mount", "Missing argument 'MOUNTPOINT'"),
        ("umount", "Missing argument 'MOUNTPOINT'"),
        ("demo", "Missing argument 'MOUNTPOINT'"),
        ("explode", "No such command 'explode'"),
        ("report --at", "See `offtracfs report --help`"),
        ("index --nonsense", "See `offtracfs index --help`"),
        ("--nonsense", "See `offtracfs --help`"),
        ("--nonsense", "No such option"),
    ],
)
def test_wrong_usage(tmp_path: Path, command: str, words: str) -> None:
    """Whatever is asked wrongly is answered in one sentence, with exit code 64, and nothing is made."""
    fails(tmp_path, 64, words, *command.split())
    assert list(tmp_path.iterdir()) == []


def test_wrong_usage_never_repeats_a_password(tmp_path: Path) -> None:
    """A password in a URL is not repeated in the refusal."""
    done = offtracfs(tmp_path, "init", "http://ann:hunter2@trac.example.org")
    assert "hunter2" not in done.stderr


@pytest.mark.parametrize("command", ["sync", "status", "check", "mount mnt"])
def test_no_database(tmp_path: Path, command: str) -> None:
    """Where there is no database, each command says how to make one: 66."""
    (tmp_path / "mnt").mkdir()
    fails(tmp_path, 66, "no offtracfs database in .*`offtracfs init URL`", *command.split())


def test_database_is_found(tmp_path: Path, database: Database) -> None:
    """The database is --db, else $OFFTRACFS_DB, else offtracfs below the XDG data home."""
    elsewhere = str(tmp_path / "elsewhere")
    assert offtracfs(tmp_path, "--db", "db", "status", OFFTRACFS_DB=elsewhere).returncode == 0
    assert offtracfs(tmp_path, "status", OFFTRACFS_DB=str(database.path)).returncode == 0
    assert offtracfs(tmp_path, "status").returncode == 66
    database.path.rename(tmp_path / "offtracfs")
    assert offtracfs(tmp_path, "status", XDG_DATA_HOME=str(tmp_path)).returncode == 0


def test_place_that_cannot_be_written(tmp_path: Path, trac: ServedTrac) -> None:
    """A database that cannot be written is one sentence: 74."""
    (tmp_path / "file").touch()
    arguments = ("--db", "file/db", "init", trac.url, "--user", "admin")
    fails(tmp_path, 74, "could not be written", *arguments, OFFTRACFS_PASSWORD="secret")


def test_locked_database(tmp_path: Path, trac: ServedTrac) -> None:
    """A second writer is sent away, and told who the first one is: 75."""
    database = of(trac, tmp_path)
    with database.writing("a test"):
        words = rf"process {os.getpid()} \(a test"
        fails(tmp_path, 75, words, "--db", "db", "sync", OFFTRACFS_PASSWORD="secret")


def test_damaged_settings(tmp_path: Path, database: Database) -> None:
    """Settings that are not TOML are named: 65."""
    (database.path / "config.toml").write_text("url = ")
    fails(tmp_path, 65, "config.toml cannot be read", "--db", "db", "status")


def test_index_of_a_later_version(tmp_path: Path, trac: ServedTrac) -> None:
    """A database that a later version has written is left alone: 78."""
    database = of(trac, tmp_path)
    append(database, (1_300_000_000, {"db.json": b"{}\n"}))
    with sqlite3.connect(database.path / "index.db") as connection:
        connection.execute("PRAGMA user_version=99")
    fails(tmp_path, 78, "later version", "--db", "db", "sync", OFFTRACFS_PASSWORD="secret")


def test_full_disk(tmp_path: Path, trac: ServedTrac) -> None:
    """A full disk is called that: 73."""
    database = of(trac, tmp_path)
    (database.path / "state.json.new").symlink_to("/dev/full")
    fails(tmp_path, 73, "disk is full", "--db", "db", "sync", OFFTRACFS_PASSWORD="secret")


def test_no_git(tmp_path: Path, database: Database) -> None:
    """A machine without git is told what to install."""
    assert database.path.exists()
    fails(tmp_path, 74, "install the package git", "--db", "db", "check", PATH=str(tmp_path))


def page(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, html="<title>Welcome</title>")


def not_ids(request: httpx.Request) -> httpx.Response:
    if b"listMethods" in request.content:
        return httpx.Response(200, json={"result": ["system.multicall", "ticket.query"], "error": None})
    return httpx.Response(200, json={"result": ["one"], "error": None})


@pytest.mark.parametrize(("answer", "code"), [(page, 68), (not_ids, 76)])
def test_tracker_that_is_none(tmp_path: Path, trac: ServedTrac, answer: object, code: int) -> None:
    """A page for people is no tracker, 68; an answer of no use is 76; and init leaves nothing behind."""
    trac.always = answer  # type: ignore[assignment]
    fails(tmp_path, code, "", "--db", "db", "init", trac.url)
    assert list(tmp_path.iterdir()) == []


def test_nobody_answers(tmp_path: Path) -> None:
    """A tracker that cannot be reached is 69, and init leaves nothing behind."""
    fails(tmp_path, 69, "cannot be reached", "--db", "db", "init", "http://127.0.0.1:9")
    assert list(tmp_path.iterdir()) == []


def test_wrong_password(tmp_path: Path, trac: ServedTrac) -> None:
    """A refused login is 77, and the password is not in the sentence."""
    arguments = ("--db", "db", "init", trac.url, "--user", "admin")
    fails(tmp_path, 77, "'admin'", *arguments, OFFTRACFS_PASSWORD="hunter2")
    assert "hunter2" not in offtracfs(tmp_path, *arguments, OFFTRACFS_PASSWORD="hunter2").stderr
    assert list(tmp_path.iterdir()) == []


def test_missing_permission(tmp_path: Path, trac: ServedTrac) -> None:
    """A missing permission is 77 and named."""
    trac.lacks.add("XML_RPC")
    arguments = ("--db", "db", "init", trac.url, "--user", "admin")
    fails(tmp_path, 77, "XML_RPC", *arguments, OFFTRACFS_PASSWORD="secret")


def test_much_is_gone(tmp_path: Path, trac: ServedTrac) -> None:
    """A tracker that has suddenly lost most of its tickets is not believed, 65, unless we say so."""
    database = of(trac, tmp_path)
    numbers = trac.fill(60, SPRING)
    sync = ("--db", "db", "sync", "--full")
    assert offtracfs(tmp_path, *sync, OFFTRACFS_PASSWORD="secret").returncode == 0
    for number in numbers[:50]:
        trac.delete(number)
    fails(tmp_path, 65, "--accept-deletions", *sync, OFFTRACFS_PASSWORD="secret")
    done = offtracfs(tmp_path, *sync, "--accept-deletions", OFFTRACFS_PASSWORD="secret")
    assert done.stdout.startswith("50 tickets deleted")
    with database.snapshot() as snapshot:
        assert list(snapshot.tickets()) == numbers[50:]


def test_mount_point_that_is_missing(tmp_path: Path, database: Database) -> None:
    """What cannot be mounted is 71."""
    assert database.path.exists()
    done = offtracfs(tmp_path, "--db", "db", "mount", "nowhere")
    assert (done.returncode, done.stderr.count("\n")) == (71, 1)
    fails(tmp_path, 71, "No offtracfs is mounted", "umount", "nowhere")


def test_nobody_listens(tmp_path: Path) -> None:
    """Where the reader of a pipe has gone, as with `| head`, the program ends quietly."""
    reading, writing = os.pipe()
    os.close(reading)
    with started(tmp_path, "--help", stdout=writing) as process:
        os.close(writing)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (1, "")


def test_interrupt(tmp_path: Path, trac: ServedTrac) -> None:
    """Ctrl-C ends the program at once, with 130 and no traceback."""
    trac.hold()
    with started(tmp_path, "init", trac.url) as process:
        assert trac.asked.wait(30)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, "\n")


def test_without_arguments(tmp_path: Path) -> None:
    """The bare program explains itself, with every command."""
    said = offtracfs(tmp_path).stdout
    assert said == offtracfs(tmp_path, "--help").stdout
    assert set(COMMANDS) <= set(re.findall(r"^  ([a-z]+)  ", said, re.MULTILINE))


def test_version(tmp_path: Path) -> None:
    """The version is said as other programs do."""
    assert re.fullmatch(r"offtracfs \d+\.\d+\.\d+\n", offtracfs(tmp_path, "--version").stdout)


def options(command: click.Command) -> set[str]:
    return {name for item in command.params for name in item.opts if name.startswith("--")}


@pytest.mark.parametrize("name", COMMANDS)
def test_help(tmp_path: Path, name: str) -> None:
    """Each command's help says in a sentence what it is for, and explains each of its options."""
    with started(tmp_path, name, "--help") as process:  # which also shows that a command loads all it needs
        said, _ = process.communicate(timeout=30)
    assert said.startswith(f"Usage: offtracfs {name} ")
    for option in options(main.commands[name]):
        assert re.search(rf"^  {option}\b.*\s\s+\S", said, re.MULTILINE | re.DOTALL)
    assert "\\b" not in said
    assert all(line.strip() in said for line in _examples(name))


def _examples(name: str) -> list[str]:
    """The lines of examples in a command's docstring."""
    text = inspect.getdoc(main.commands[name].callback) or ""
    return [line for line in text.splitlines() if line.startswith("  ")]


def test_readme_names_every_command_and_option() -> None:
    """The README's table has a line for each command, and names each of its options."""
    text = README.read_text()
    for name in COMMANDS:
        lines = re.findall(rf"^\| `{name}\b.*$", text, re.MULTILINE)
        assert lines, name
        assert options(main.commands[name]) == set(re.findall(r"--[a-z-]+", " ".join(lines)))
    assert options(main) <= set(re.findall(r"--[a-z-]+", text))


def test_listed_helps_are_those_of_the_commands() -> None:
    """What the list says of a command is the first sentence of that command's own help."""
    for name, words in COMMANDS.items():
        text = " ".join((main.commands[name].help or "").split())
        assert (text + " ").startswith(f"{words} ")


def loaded_by(home: Path, *arguments: str) -> set[str]:
    """The modules that the program has loaded when it ends well."""
    code = (
        "import atexit, sys, offtracfs_cli.main as m; atexit.register(lambda: print(*sys.modules)); m.main()"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(
        command, env=surroundings(home), cwd=home, capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.splitlines()[-1].split())


def test_help_loads_no_command(tmp_path: Path) -> None:
    """The list of commands needs none of them, nor the library below them."""
    loaded = loaded_by(tmp_path, "--help")
    assert not loaded & {f"offtracfs_cli.{name}" for name in COMMANDS}
    assert {name for name in loaded if name.startswith("offtracfs.")} == {
        "offtracfs.errors",
        "offtracfs.text",
    }


@pytest.mark.parametrize(
    "arguments", ["report", "report 1", "query id=1", "query id=1 --at 2011-04", "sql SELECT(1)"]
)
def test_questions_load_no_git(tmp_path: Path, database: Database, arguments: str) -> None:
    """What reads the index alone starts without libgit2, and without what only a sync needs."""
    saved = b'{"sql":"SELECT 1 AS one","title":"One"}\n'
    append(database, (1_302_350_000, {"report/1.json": saved, "fields.json": b"[]\n"}))
    loaded = loaded_by(tmp_path, "--db", str(database.path), *arguments.split())
    assert not loaded & {"pygit2", "sqlalchemy", "trio", "pyfuse3", "httpx"}


@pytest.mark.parametrize("url", ["https://trac.example.org", "trac+sqlite://{}/db/trac.db"])
def test_to_show_a_ticket_loads_nothing_of_its_tracker(tmp_path: Path, url: str) -> None:
    """The address of a ticket's page is known without the libraries that ask the tracker."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/trac.ini").write_text("[trac]\nbase_url = https://trac.example.org\n")
    database = Database.create(tmp_path / "db", Settings(url.format(tmp_path)))
    append(database, (1_302_350_000, ticket(1)))
    shown = offtracfs(tmp_path, "--db", "db", "show", "1").stdout
    assert shown.endswith("\n==== https://trac.example.org/ticket/1\n")
    loaded = loaded_by(tmp_path, "--db", str(database.path), "show", "1")
    assert not loaded & {"sqlalchemy", "httpx", "trio", "pyfuse3"}


@pytest.mark.parametrize("given", ["db", "a b", "it's", "$HOME", "-db"])
def test_remedies_work_as_printed(tmp_path: Path, database: Database, given: str) -> None:
    """The commands that an error names are for the database that was given, and do what it says."""
    database.path.rename(tmp_path / given)
    said = offtracfs(tmp_path, "--db", given, "query", "id=1").stderr
    (command,) = re.findall(r"`offtracfs (.*)`", said)
    line = f"{shlex.join(PROGRAM)} {command}"
    done = subprocess.run(
        line,
        shell=True,
        env=surroundings(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 69, done  # the sync of that very database, whose tracker does not answer
    assert "127.0.0.1:9" in offtracfs(tmp_path, "--db", given, "status").stdout


def test_remedies_name_no_database_that_was_not_given(tmp_path: Path, database: Database) -> None:
    """Where the database is the environment's, so it is for the command that an error names."""
    done = offtracfs(tmp_path, "query", "id=1", OFFTRACFS_DB=str(database.path))
    assert "`offtracfs sync`" in done.stderr


def test_no_sentence_needs_a_man_page() -> None:
    """An installation by pip has no man page: what the program says points to its own help."""
    for file in [*(ROOT / "offtracfs").rglob("*.py"), *(ROOT / "cli").rglob("*.py")]:
        assert "`man " not in file.read_text()


@pytest.mark.parametrize("module", ["main", "mount"])
def test_nothing_heavy_is_loaded(module: str) -> None:
    """The program and `mount` start without what only a sync or a progress bar needs."""
    code = f"import sys, offtracfs_cli.{module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"httpx", "rich.console", "keyring", "defusedxml"}
    if module == "main":
        assert not loaded & {"sqlalchemy", "pygit2", "pyfuse3", "trio", "offtracfs_cli.mount"}
