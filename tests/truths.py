"""A tracker that keeps its true states while it changes: what every "@T" of a copy must show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from offtracfs import records
from offtracfs.names import number_of, split
from offtracfs.tree import Directory, File, Tree
from tests.standin import StandInTrac
from tests.syncing import expected

BEGIN = datetime(2011, 4, 9, 21, 16, 7, tzinfo=UTC)
AUTHORS = ("ann", "bob", "Zed <zed@example.org>", "é (née è)", "")
WORDS = ("", "a", "a b", "é\r\nb", "\x1b[31m\x00", "x\ud800", "\U0001f600" * 9, "@2011")
FIELDS = ("status", "owner", "keywords", "summary", "description", "component", "reporter")
PAUSES = (1, 1, 300_000, 700_000, 1_000_000, 90_000_000, 86_400_000_000)  # microseconds

Files = dict[str, bytes]
"""Path and bytes of every ticket and change log."""


class Life(StandInTrac):
    """A tracker in which things happen as `random` has it, with all that was true after each of them.

    `openers` are the tickets' first reporters; `silent` are the tickets' fields that changed without a
    trace, and the times of attachments that went.
    """

    def __init__(self, random: Random) -> None:
        super().__init__()
        self.random = random
        self.clock = BEGIN
        self.states: list[tuple[datetime, Files]] = []
        self.silent: set[tuple[int, str]] = set()
        self.openers: dict[int, str] = {}
        self.happen(self.open)

    def live(self, steps: int, *, silently: bool = False) -> None:
        """So many things happen; `silently`: also such as Trac does not log."""
        logged = (self.open, self.act, self.act, self.act, self.edit, self.append_file)
        unlogged = (self.rename, self.tamper, self.remove, self.remove_file)
        for _ in range(steps):
            self.clock += timedelta(microseconds=self.random.choice(PAUSES))
            self.happen(self.random.choice(logged * 3 + unlogged if silently else logged))

    def happen(self, action: Any) -> None:
        """Something happens now, and what is true then is kept."""
        action()
        files = expected(self)
        if not self.states or files != self.states[-1][1]:
            self.states.append((self.clock, files))

    def some(self) -> int:
        """One of the tickets."""
        return self.random.choice([*self.tickets])

    def open(self) -> None:
        """Somebody opens a ticket."""
        pick = self.random.choice
        author, component = pick(AUTHORS), pick(("", *self.components))
        number = self.create(pick(WORDS), self.clock, author=author, component=component)
        self.openers[number] = author

    def act(self) -> None:
        """Somebody changes some fields, or says something."""
        pick = self.random.choice
        names = self.random.sample(FIELDS, self.random.randint(0, 3))
        self.change(
            self.some(), self.clock, pick(AUTHORS), pick(WORDS), **{name: pick(WORDS) for name in names}
        )

    def edit(self) -> None:
        """Somebody edits a comment, as Trac's modify_comment does."""
        ticket = self.tickets[self.some()]
        comments = [row for row in ticket.log if row[2] == "comment" and row[5]]
        text = self.random.choice(WORDS)
        if comments and (comment := self.random.choice(comments))[4] != text:
            turn = sum(row[0] == comment[0] and row[2].startswith("_comment") for row in ticket.log)
            moment = str(records.microseconds(records.iso(self.clock)))
            author = self.random.choice(AUTHORS)
            ticket.log.append([comment[0], author, f"_comment{turn}", comment[4], moment, 1])
            comment[4], ticket.changed = text, self.clock

    def append_file(self) -> None:
        """Somebody attaches a file."""
        number = self.some()
        files = sum(row[2] == "attachment" for row in self.tickets[number].log)
        self.attach(number, f"{files}.png", self.random.choice(WORDS))

    def rename(self) -> None:
        """An admin renames a component."""
        old = self.random.choice([*self.components])
        self.silent |= {(n, "component") for n, t in self.tickets.items() if t.values["component"] == old}
        self.rename_component(old, f"{old}'")

    def tamper(self) -> None:
        """An admin's SQL statement changes a ticket."""
        number, name = self.some(), self.random.choice(FIELDS)
        self.silent.add((number, name))
        self.tickets[number].values[name] = self.random.choice(WORDS)

    def remove(self) -> None:
        """An admin deletes a ticket."""
        if len(self.tickets) > 1:
            self.delete(self.some())

    def remove_file(self) -> None:
        """An admin deletes the attachments of a ticket."""
        number = self.some()
        log = self.tickets[number].log
        self.silent |= {(number, records.iso(row[0])) for row in log if not row[5]}
        self.tickets[number].log = [row for row in log if row[5]]

    def at(self, second: datetime) -> Files:
        """What was true at the end of a second."""
        end = second.replace(microsecond=0) + timedelta(seconds=1)
        return next((files for moment, files in reversed(self.states) if moment < end), {})

    def seconds(self) -> list[datetime]:
        """The seconds in which something happened, and those just before."""
        found = {moment.replace(microsecond=0) for moment, _ in self.states}
        return sorted(found | {second - timedelta(seconds=1) for second in found})

    def told(self, files: Files) -> dict[str, Any]:
        """The records in `files`, without what has left no trace by now."""
        found: dict[str, Any] = {}
        for path, data in files.items():
            kind, name = split(path)
            number, record = number_of(name), records.load(data)
            assert number is not None
            if number not in self.tickets:
                continue
            if kind == "ticket":
                for field in [field for field in record[3] if (number, field) in self.silent]:
                    del record[3][field]
            else:
                record = [row for row in record if row[5] or (number, row[0]) not in self.silent]
            found[path] = record
        return found


def name_of(moment: datetime) -> str:
    """The "@…" of a second."""
    return f"@{moment:%Y-%m-%dT%H:%M:%SZ}"


def shown(tree: Tree, at: str) -> Files:
    """What the tree shows of all tickets and change logs, listed and looked up."""
    found: Files = {}
    for top in ("ticket", "changelog"):
        directory = Directory(at, top)
        for named in tree.entries(tree.open(directory)):
            assert isinstance(named.node, File)
            assert tree.lookup(directory, named.name) == named.node
            found[f"{top}/{named.name}"] = tree.read(named.node.inode)
    return found
