"""Tickets changed with the programs that people use, each with its defaults, on a real mount."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.editors import EDITORS, PROGRAMS, at_work
from tests.mounting import away
from tests.saving import Site, shows

QUICK = ("vim", "nano", "sed", "patch", ">", "python")
EACH = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in PROGRAMS]
FORMS = ["text/1.txt", "ticket/1.json"]


@pytest.mark.parametrize("name", EACH)
async def test_saves_and_a_refusal(site: Site, tmp_path: Path, name: str) -> None:
    """A ticket is saved twice, and again after a sync has moved it; then a mistake is told."""
    file, tool = site.mnt / "text/1.txt", PROGRAMS[name]
    before = await away((site.mnt / "@HEAD/text/1.txt").read_bytes)
    async with at_work(tool, file, tmp_path) as session:
        await away(session.replace, "carol", "perry")
        assert site.draft() == ({"owner": "perry"}, "")
        await away(session.replace, "bob", "zoe")
        assert site.draft() == ({"owner": "perry", "cc": "ann, zoe"}, "")
        assert await away((site.mnt / "@HEAD/text/1.txt").read_bytes) == before
        await site.changes(1, priority="minor")
        await away(session.replace, "defect", "task")
        mine = {"owner": "perry", "cc": "ann, zoe", "type": "task"}
        assert site.draft() == (mine, "")
        await shows(file, "Owner:      perry", "Priority:   minor")
        said = await away(session.replace, "task", "tusk")
        assert tool.complains in said
        assert "tusk" in site.refusal()
        assert site.draft() == (mine, "")


@pytest.mark.parametrize("name", EACH)
async def test_a_conflict(site: Site, tmp_path: Path, name: str) -> None:
    """What somebody else changed, too, is shown as a line in the file; without it the text can be saved."""
    file, tool = site.mnt / "text/1.txt", PROGRAMS[name]
    async with at_work(tool, file, tmp_path) as session:
        await away(session.replace, "carol", "perry")
        await site.changes(1, owner="dora")
    line = "==== Conflict: Owner: the tracker has dora, yours is perry (take this line away)"
    await shows(file, line, "Owner:      dora")
    async with at_work(tool, file, tmp_path) as session:
        assert tool.complains in await away(session.replace, "Owner:      dora", "Owner:      perry")
        assert "conflict" in site.refusal()
        await away(session.delete, "==== Conflict")
    if name in EDITORS:  # which still has what was refused
        assert site.draft() == ({"owner": "perry"}, "")
        await shows(file, "Owner:      perry")
    else:
        assert site.draft() == ({}, "")
        await shows(file, "Owner:      dora")
    assert "Conflict" not in await away(file.read_text)
