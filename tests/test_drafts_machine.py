"""Editors, pushes, syncs, another user, lost answers, kills: in the end all that was typed is somewhere."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from offtracfs import check
from offtracfs.errors import DraftRefused, OfftracfsError, UsageError
from tests.drafting import Desk, drafts_of
from tests.standin import StandInTrac
from tests.syncing import expected, mirrored

FIELDS = st.sampled_from(
    [
        ("Owner", "ann"),
        ("Owner", "bob"),
        ("Owner", ""),
        ("Priority", "minor"),
        ("Priority", "trivial"),
        ("Cc", "ann, zoe"),
        ("Cc", "zoe"),
        ("Keywords", "rain snow"),
        ("Status", "assigned"),
    ]
)
OTHERS = st.sampled_from(
    [
        ("owner", "eve"),
        ("priority", "blocker"),
        ("cc", "ann, eve"),
        ("keywords", "ice"),
        ("description", "a\nB\nc"),
    ]
)
SIDE = {"Owner": "owner", "Priority": "priority", "Cc": "cc", "Keywords": "keywords", "Status": "status"}
COMMENT = re.compile(r"said \d+")


class Killed(BaseException):
    """The pusher gets SIGKILL at a request."""


def _carried_out(trac: StandInTrac, then: BaseException) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        trac.honest(request)
        raise then

    return answer


def _never_arrives(then: BaseException) -> Callable[[httpx.Request], httpx.Response]:
    def answer(_: httpx.Request) -> httpx.Response:
        raise then

    return answer


class Saving(RuleBasedStateMachine):
    """Rules are what a user, others, the network and the machine do."""

    @initialize()
    def begin(self) -> None:
        """A tracker with two tickets, synced."""
        self.directory = Path(tempfile.mkdtemp())
        self.trac = StandInTrac()
        for number in (1, 2):
            self.trac.create(
                f"ticket {number}", self.trac.clock, owner="carol", cc="ann", description="a\nb\nc"
            )
        self.desk = Desk(self.directory / "db", self.trac)
        trio.run(self.desk.sync)
        self.buffers: dict[int, str] = {}  # what editors have open
        self.words = 0
        self.saved: set[str] = set()  # comments that were saved and not taken back
        self.tried = 0

    def teardown(self) -> None:
        """At the end all that could be sent is sent; what was typed is on the tracker once, or pending."""
        if not hasattr(self, "desk"):
            return
        self.trac.faults.clear()
        self.push(0, "")
        trio.run(self.desk.sync)
        assert mirrored(self.desk.database) == expected(self.trac)
        assert list(check.check(self.desk.database)) == []
        there = Counter(word for row in self.rows() for word in COMMENT.findall(row[4] or ""))
        waiting = Counter(word for draft in self.desk.pending() for word in COMMENT.findall(draft["comment"]))
        assert self.saved <= there.keys() | waiting.keys()
        assert all(many == 1 for many in there.values())
        assert not there.keys() & waiting.keys()
        assert all(draft["state"] == "draft" and draft["conflicts"] for draft in self.desk.pending())
        titles = Counter(ticket.values["summary"] for ticket in self.trac.tickets.values())
        assert all(many == 1 for many in titles.values())
        with drafts_of(self.desk.database) as drafts:
            waiting_names = [f"ticket/{draft['ticket']}.json" for draft in self.desk.pending()]
            assert [name for name in drafts.names() if name.endswith(".json")] == waiting_names
        shutil.rmtree(self.directory)

    def rows(self) -> list[list[Any]]:
        """All comments on the tracker."""
        return [row for ticket in self.trac.tickets.values() for row in ticket.log if row[2] == "comment"]

    @rule(number=st.integers(1, 2))
    def open(self, number: int) -> None:
        """An editor reads the file, and whatever was in its buffer is forgotten."""
        self.buffers[number] = self.desk.text(number)

    @precondition(lambda self: self.buffers)
    @rule(which=st.integers(0), field=FIELDS)
    def set_field(self, which: int, field: tuple[str, str]) -> None:
        """A line of the buffer is changed."""
        number = [*self.buffers][which % len(self.buffers)]
        label, value = field
        line = f"{label + ':':<11} {value}".rstrip()
        text, found = re.subn(rf"^{label}:.*$", line, self.buffers[number], count=1, flags=re.MULTILINE)
        self.buffers[number] = text if found else text.replace("\n\n", f"\n\n{line}\n", 1)

    @precondition(lambda self: self.buffers)
    @rule(which=st.integers(0), line=st.sampled_from(["a", "b", "c"]))
    def write_description(self, which: int, line: str) -> None:
        """A line of the description is changed."""
        number = [*self.buffers][which % len(self.buffers)]
        self.buffers[number] = re.sub(
            rf"^{line}$", f"{line}!", self.buffers[number], count=1, flags=re.MULTILINE
        )

    @precondition(lambda self: self.buffers)
    @rule(which=st.integers(0), above=st.booleans())
    def write_comment(self, which: int, above: bool) -> None:
        """Something new is said, below a mark."""
        number = [*self.buffers][which % len(self.buffers)]
        self.words += 1
        said = f"\n==== Comment\nsaid {self.words}\n"
        text = self.buffers[number]
        place = text.find("\n==== ") if above else len(text)
        self.buffers[number] = text[:place] + said + text[place:]

    @precondition(lambda self: self.buffers)
    @rule(which=st.integers(0))
    def save(self, which: int) -> None:
        """The buffer is saved; the editor stays open."""
        number = [*self.buffers][which % len(self.buffers)]
        text = self.buffers[number]
        before = self._waiting(number)
        try:
            self.desk.save_bytes(f"text/{number}.txt", text.encode())
        except DraftRefused:
            return
        self.saved -= before  # a save takes the place of the one before
        self.saved |= set(COMMENT.findall(text.partition("#")[2])) & self._typed()
        self.saved -= {word for word in self.saved if word in before and word not in text}

    def _typed(self) -> set[str]:
        return {f"said {number}" for number in range(1, self.words + 1)}

    def _waiting(self, number: int) -> set[str]:
        found = [draft["comment"] for draft in self.desk.pending() if draft["ticket"] == number]
        return {word for text in found for word in COMMENT.findall(text)}

    @rule(number=st.integers(1, 2), field=FIELDS)
    def comment(self, number: int, field: tuple[str, str]) -> None:
        """`offtracfs comment`, while no editor is open."""
        if number in self.buffers:
            return
        self.words += 1
        word = f"said {self.words}"
        try:
            self.desk.change(number, word, **{SIDE[field[0]]: field[1]})
        except DraftRefused:
            return
        self.saved.add(word)

    @rule(number=st.integers(1, 2))
    def quit_editor(self, number: int) -> None:
        """The editor is closed."""
        self.buffers.pop(number, None)

    @rule()
    def write_new(self) -> None:
        """A new ticket is saved."""
        self.words += 1
        self.desk.save_bytes(f"ticket/new-{self.words}.json", f'{{"summary": "new {self.words}"}}'.encode())

    @rule(number=st.integers(1, 2), field=OTHERS, say=st.booleans())
    def other(self, number: int, field: tuple[str, str], say: bool) -> None:
        """Somebody else changes a ticket."""
        self.trac.clock += timedelta(seconds=3)
        name, value = field
        self.trac.change(number, self.trac.clock, "eve", "Mine." * say, **{name: value})

    @rule(number=st.integers(1, 2))
    def discard(self, number: int) -> None:
        """A draft is taken back."""
        waiting = self._waiting(number)
        try:
            with drafts_of(self.desk.database) as drafts:
                drafts.discard(str(number))
        except UsageError:
            return
        self.saved -= waiting

    @rule(number=st.integers(1, 2))
    def undo(self, number: int) -> None:
        """And had again."""
        try:
            with drafts_of(self.desk.database) as drafts:
                drafts.undo(str(number))
        except UsageError:
            return
        self.saved |= self._waiting(number)

    @rule()
    def sync(self) -> None:
        """A sync."""
        self.trac.faults.clear()
        self.trac.clock += timedelta(seconds=1)
        trio.run(self.desk.sync)

    @rule(
        honest=st.integers(0, 9),
        fault=st.sampled_from(["", "lost", "unsent", "killed after", "killed before"]),
    )
    def push(self, honest: int, fault: str) -> None:
        """A push, in which an answer is lost, a request does not leave, or the process is killed."""
        made = {
            "lost": _carried_out(self.trac, httpx.ReadError("")),
            "unsent": _never_arrives(httpx.ConnectError("")),
            "killed after": _carried_out(self.trac, Killed()),
            "killed before": _never_arrives(Killed()),
        }
        if fault:
            self.trac.faults.extend([self.trac.honest] * honest + [made[fault]])
        self.trac.clock += timedelta(seconds=1)
        try:
            trio.run(self.desk.push)
        except (OfftracfsError, Killed):
            pass
        except BaseExceptionGroup as group:
            if group.split((OfftracfsError, Killed))[1]:
                raise
        self.trac.faults.clear()


class ManyStories(Saving):
    """The same, more of it, and never the same twice."""


Saving.TestCase.settings = settings(max_examples=4, stateful_step_count=20, derandomize=True, deadline=None)
ManyStories.TestCase.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestSaving = Saving.TestCase
TestManyStories = pytest.mark.slow(ManyStories.TestCase)
