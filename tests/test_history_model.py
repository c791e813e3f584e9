"""Whatever happened in a tracker before the first sync, and between syncs, each "@T" shows what was true."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import trio
from hypothesis import given
from hypothesis import strategies as st

from offtracfs import check
from offtracfs.database import Database
from tests.helpers import examples
from tests.mounting import tree_of
from tests.syncing import expected, mirrored, new_database, synced
from tests.truths import Life, name_of, shown

RANDOMS = st.randoms(use_true_random=False)
STEPS = st.integers(0, 25)


def sync(database: Database, life: Life) -> None:
    """A full sync, by a clock that is past all that happened."""
    trio.run(lambda: synced(database, life, full=True, accept_deletions=True))


@examples(10)
@given(RANDOMS, st.lists(STEPS, min_size=1, max_size=3))
def test_every_moment_is_true(random: Random, steps: list[int]) -> None:
    """Where all is logged, every "@T" is to the byte what the tracker held, whenever it was synced."""
    life = Life(random)
    with TemporaryDirectory() as place:
        database = new_database(Path(place) / "db", life)
        for count in steps:
            life.live(count)
            sync(database, life)
        tree = tree_of(database)
        for second in life.seconds():
            assert shown(tree, name_of(second)) == life.at(second)
        assert mirrored(database) == expected(life)


@examples(10)
@given(RANDOMS, STEPS)
def test_only_what_is_not_logged_differs(random: Random, steps: int) -> None:
    """Of what Trac does not log, "@T" shows the present; all else is true to the byte."""
    life = Life(random)
    life.live(steps, silently=True)
    life.clock += timedelta(seconds=1)
    with TemporaryDirectory() as place:
        database = new_database(Path(place) / "db", life)
        sync(database, life)
        tree = tree_of(database)
        for second in life.seconds():
            assert life.told(shown(tree, name_of(second))) == life.told(life.at(second))
        assert mirrored(database) == expected(life)
        assert list(check.check(database)) == []
