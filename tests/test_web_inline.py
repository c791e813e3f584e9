"""Words that changed within the lines of a comparison."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from offtracfs.texts.differences import differences
from offtracfs.web.inline import MAX_WORDS, inline, unindented

LINES = st.lists(st.tuples(st.sampled_from("+- "), st.text(alphabet="ab c.\n", max_size=12)))


@given(LINES)
def test_nothing_is_lost(found: list[tuple[str, str]]) -> None:
    """The pieces of the lines make up the lines, and those of each side come in its order."""
    shown = list(inline(f"{mark} {text}" for mark, text in found))
    for side in ("+ ", "- "):
        joined = ["".join(piece.text for piece in line.pieces) for line in shown if line.mark in side]
        assert joined == [text for mark, text in found if mark in side]


def test_a_line_is_compared_with_the_one_that_is_alike() -> None:
    """Not with the first that went, where that says something else."""
    lines = ["- something else", "- It works in my house, mostly", "+ It works in my garden, mostly"]
    *_, old, new = inline(lines)
    assert [piece.text for piece in old.pieces if piece.changed] == ["house"]
    assert [piece.text for piece in new.pieces if piece.changed] == ["garden"]


def test_long_lines_take_no_time() -> None:
    """Lines on which a comparison would take minutes are shown whole."""
    begin = time.process_time()
    shapes = ["a b " * 5_000, "a " * MAX_WORDS, "x" + "a " * (MAX_WORDS // 2 - 2) + "y"]
    lines = [f"{mark} {shape}{number}" for shape in shapes for mark in "-+" for number in range(200)]
    assert len(list(inline(lines))) == len(lines)
    assert time.process_time() - begin < 20


def test_lines_that_were_left_out() -> None:
    """Between two changes far apart, a line says that others stayed as they were."""
    before = "\n".join(map(str, range(20)))
    after = before.replace("3\n", "three\n", 1).replace("17", "seventeen")
    shown = list(inline(unindented("\n".join(differences(before, after)).split("\n"))))
    assert (" ", "…") in [(line.mark, line.pieces[0].text) for line in shown]
    assert [line.pieces[0].text for line in shown if line.mark == "+"] == ["three", "seventeen"]
