"""Two changes of one ticket, put together: what holds for all of them."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from offtracfs.drafts.earlier import without
from offtracfs.drafts.forms import LEFT
from offtracfs.drafts.merging import members, merge, merged_lines, merged_list, same

NAMES = st.sampled_from(["owner", "priority", "cc", "description", "x"])
VALUES = st.sampled_from(["", "a", "b", " a ", "a\r\nb", "a\nb", "ann, bob", "bob ann", "c"]) | st.text(
    max_size=5
)
FIELDS = st.dictionaries(NAMES, VALUES)
LINES = st.lists(st.sampled_from(["one", "two", "three", ""]), max_size=6).map("\n".join)
PEOPLE = st.lists(st.sampled_from(["ann", "bob", "eve", "zoe"]), unique=True).map(", ".join)
KINDS = {"lists": {"cc"}, "long": {"description"}}


@given(base=FIELDS, mine=FIELDS)
def test_where_nobody_else_changed_anything_mine_is_sent(base: dict[str, str], mine: dict[str, str]) -> None:
    """All that differs is sent as it is, and nothing else; there is no conflict."""
    merged = merge(base, mine, base, **KINDS)
    assert not merged.conflicts
    for name, value in mine.items():
        if name in merged.send:
            assert merged.send[name] == value
        else:
            old = base.get(name, "")
            assert same(value, old) or (name == "cc" and members(value) == members(old))
    assert merged.send.keys() <= mine.keys()


@given(base=FIELDS, mine=FIELDS, theirs=FIELDS)
def test_what_is_there_already_is_not_sent_again(
    base: dict[str, str], mine: dict[str, str], theirs: dict[str, str]
) -> None:
    """After what was merged has arrived, nothing is left to send, and nothing is in conflict that was not."""
    merged = merge(base, mine, theirs, **KINDS)
    again = merge(base, mine, theirs | merged.send, **KINDS)
    assert not again.send
    assert again.conflicts.keys() <= merged.conflicts.keys()
    assert not merge(base, {}, theirs, **KINDS).send
    assert not merge(base, base, theirs, **KINDS).send
    assert not merge(base, theirs, theirs, **KINDS).send


@given(base=VALUES, mine=VALUES, theirs=VALUES)
def test_a_field_is_in_conflict_where_all_three_differ(base: str, mine: str, theirs: str) -> None:
    """Of a plain field there is a conflict where both have changed it, to different values."""
    merged = merge({"x": base}, {"x": mine}, {"x": theirs})
    all_differ = not (same(base, mine) or same(base, theirs) or same(mine, theirs))
    assert ("x" in merged.conflicts) == all_differ
    if all_differ:
        assert (merged.conflicts["x"].tracker, merged.conflicts["x"].yours) == (theirs, mine)


@given(base=PEOPLE, mine=PEOPLE, theirs=PEOPLE)
def test_members_come_and_go_on_their_own(base: str, mine: str, theirs: str) -> None:
    """Who was added by either is there, who was taken away by either is not, and the rest stays."""
    b, m, t = (set(members(text)) for text in (base, mine, theirs))
    found = members(merged_list(base, mine, theirs))
    assert set(found) == (t - (b - m)) | (m - b)
    assert len(found) == len(set(found))


@given(base=LINES, mine=LINES, theirs=LINES)
def test_lines_are_merged_three_ways(base: str, mine: str, theirs: str) -> None:
    """What one side alone has changed is taken; where git cannot merge, both sides stand between marks."""
    assume(not same(mine, theirs))
    text, clean = merged_lines(base, mine, theirs)
    assert clean == (LEFT.search(text) is None)
    if base.rstrip() == mine.rstrip():
        assert clean
        assert same(text, theirs)
    if base.rstrip() == theirs.rstrip():
        assert clean
        assert same(text, mine)


def test_changes_of_different_lines_are_both_kept() -> None:
    """Also where one side has other line ends."""
    base = "one\r\ntwo\r\nthree\r\nfour\r\nfive"
    found = merged_lines(base, "ONE\ntwo\nthree\nfour\nfive\n", base.replace("five", "FIVE"))
    assert found == ("ONE\r\ntwo\r\nthree\r\nfour\r\nFIVE", True)


@pytest.mark.parametrize(
    ("comment", "sent", "left"),
    [
        ("One.", "One.", ""),
        ("One.\r\n", "One.", ""),
        ("One.\n\nTwo.", "One.", "Two."),
        ("One.\nTwo.", "One.", "Two."),
        ("Two.\n\nOne.", "One.", "Two."),
        ("Two.\n\nOne.\n\nThree.", "One.", "Two.\n\nThree."),
        ("One. Two.", "One.", "One. Two."),
        ("None.\nOne.", "One.", "None.\nOne."),
        ("One.\n\nOne.", "One.", "One."),
        ("One.", "", "One."),
    ],
)
def test_what_was_sent_is_not_said_again(comment: str, sent: str, left: str) -> None:
    """A comment that stands in a later one as paragraphs of its own is taken out of that, once."""
    assert without(comment, sent) == left
