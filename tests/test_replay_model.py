"""replay and since held against a model of a ticket whose true states are kept while it changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from offtracfs.records import Row, from_microseconds, iso, microseconds, rows
from tests.ticketlogs import hold, played, row, since, ticket


@dataclass
class Model:
    """A ticket that changes as Trac's do, with each true state it was in."""

    now: int = microseconds("2011-04-09T10:00:00")
    rows: list[list[Any]] = field(default_factory=list)
    states: list[tuple[list[Any], list[Row]]] = field(default_factory=list)
    made: list[tuple[int, str]] = field(default_factory=list)  # when and by whom each state was made

    def __post_init__(self) -> None:
        self.record = ticket(self.time(), created=self.time(), owner="", keywords="")
        self.keep("ann")

    def time(self) -> str:
        return iso(from_microseconds(self.now))

    def keep(self, author: str) -> None:
        """Remember the present state, the log sorted as Trac does."""
        self.made.append((self.now, author))
        log = sorted(rows(self.rows), key=lambda row: (row.time, row.permanent, row.author, row.field))
        self.states.append(([*self.record[:3], dict(self.record[3])], log))

    def touch(self) -> None:
        self.record[2] = self.record[3]["changetime"] = self.time()
        self.record[3]["_ts"] = str(self.now)

    def change(self, author: str, fields: dict[str, str], comment: str) -> None:
        """Set fields and say something, as Trac's save_changes does."""
        props = self.record[3]
        changed = {name: new for name, new in fields.items() if props[name] != new}
        if not changed and not comment:
            return
        for name, new in changed.items():
            self.rows.append(list(row(self.time(), author, name, props[name], new)))
            props[name] = new
        count = sum(row[2] == "comment" and row[5] for row in self.rows)
        self.rows.append(list(row(self.time(), author, "comment", str(count + 1), comment)))
        self.touch()
        self.keep(author)

    def edit(self, author: str, which: int, text: str) -> None:
        """Edit a comment, as Trac's modify_comment does."""
        comments = [row for row in self.rows if row[2] == "comment" and row[5]]
        comment = comments[which % len(comments)] if comments else None
        if comment is None or comment[4] == text:
            return
        edits = sum(row[0] == comment[0] and row[2].startswith("_comment") for row in self.rows)
        self.rows.append(list(row(comment[0], author, f"_comment{edits}", comment[4], str(self.now))))
        comment[4] = text
        self.touch()
        self.keep(author)

    def attach(self, author: str, name: str, description: str) -> None:
        """Attach a file: two rows that are not permanent, and no new changetime."""
        self.rows.append(list(row(self.time(), author, "attachment", "", name, 0)))
        self.rows.append(list(row(self.time(), author, "comment", "", description, 0)))
        self.keep(author)

    def rename(self, name: str, new: str) -> None:
        """Change a value without a trace."""
        if self.record[3][name] != new:
            self.record[3][name] = new
            self.keep("")


AUTHORS = st.sampled_from(["ann", "bob", "Zed", ""])
TEXTS = st.sampled_from(["", "a", "b", "c\r\nd", "é\x00"])
FIELDS = st.dictionaries(st.sampled_from(["status", "owner", "keywords", "reporter"]), TEXTS)
LOGGED = st.one_of(
    st.tuples(st.just(Model.change), AUTHORS, FIELDS, TEXTS),
    st.tuples(st.just(Model.edit), AUTHORS, st.integers(0, 9), TEXTS),
    st.tuples(st.just(Model.attach), AUTHORS, TEXTS, TEXTS),
)
SILENT = st.tuples(st.just(Model.rename), st.sampled_from(["status", "owner"]), TEXTS)
STEPS = st.sampled_from([1, 1_000_000])


def lived(step: int, actions: list[tuple[int, tuple[Any, ...]]]) -> Model:
    """A model after these actions, each some steps of time after the one before."""
    model = Model()
    for pause, (act, *arguments) in actions:
        model.now += pause * step
        act(model, *arguments)
    return model


def actions(of: st.SearchStrategy[tuple[Any, ...]]) -> st.SearchStrategy[list[tuple[int, tuple[Any, ...]]]]:
    return st.lists(st.tuples(st.integers(1, 400_000), of), max_size=12)


@settings(deadline=None)  # a busy machine is no failure
@given(STEPS, actions(LOGGED))
def test_replay_finds_every_true_state(step: int, acts: list[tuple[int, tuple[Any, ...]]]) -> None:
    """Of a ticket that the log tells all about, the versions are its true states, to the byte."""
    model = lived(step, acts)
    versions = played(*model.states[-1])
    assert [(v.record, v.changelog) for v in versions] == model.states
    assert [(v.moment, v.author) for v in versions] == model.made


def cut(record: list[Any], log: list[Row]) -> tuple[list[Any], list[Row]]:
    """What a source that cuts times to seconds says of a state."""
    props = {n: value[:19] if n in ("time", "changetime") else value for n, value in record[3].items()}
    return [record[0], record[1][:19], record[2][:19], props], [
        row._replace(time=row.time[:19]) for row in log
    ]


@settings(deadline=None)  # a busy machine is no failure
@given(actions(LOGGED))
def test_replay_finds_every_state_where_times_are_cut(acts: list[tuple[int, tuple[Any, ...]]]) -> None:
    """Where the source cuts times, the versions are the true states as that source would have given them."""
    model = lived(1_100_001, acts)
    versions = played(*cut(*model.states[-1]))
    stamps = [v.record[3].pop("_ts", None) for v in versions]
    for stamp, (record, _) in zip(stamps, model.states, strict=True):
        assert record[3].pop("_ts") == stamp or stamp is None
    assert [cut(v.record, v.changelog) for v in versions] == [cut(*state) for state in model.states]


@settings(deadline=None)  # a busy machine is no failure
@given(STEPS, actions(LOGGED), st.data())
def test_since_finds_every_later_state(
    step: int, acts: list[tuple[int, tuple[Any, ...]]], data: st.DataObject
) -> None:
    """From any state to any later one, the versions are the true states in between."""
    states = lived(step, acts).states
    end = data.draw(st.integers(0, len(states) - 1))
    start = data.draw(st.integers(0, end))
    versions = list(since(*states[end], *states[start]))
    assert [(v.record, v.changelog) for v in versions] == states[start + 1 : end + 1]


@settings(deadline=None)  # a busy machine is no failure
@given(STEPS, actions(st.one_of(LOGGED, SILENT)), st.data())
def test_what_is_not_logged_comes_last(
    step: int, acts: list[tuple[int, tuple[Any, ...]]], data: st.DataObject
) -> None:
    """Whatever the log leaves out, and whatever was stored, the last version is what the tracker says."""
    states = lived(step, acts).states
    start, end = (data.draw(st.sampled_from(states)) for _ in range(2))
    played(*end)
    versions = list(since(*end, *start))
    if start == end:
        assert versions == []
    else:
        hold(versions, *end)
        assert (versions[0].record, versions[0].changelog) != start
