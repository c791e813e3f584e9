"""Tickets changed with the programs that people use, each with its defaults, on a real mount."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.editors import EDITORS, PROGRAMS, Program, at_work
from tests.mounting import away
from tests.saving import Site, shows

QUICK = ("vim", "nano", "sed", ">")
EACH = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in PROGRAMS]
MINE = {"owner": "perry", "cc": "ann, zoe", "type": "task"}
FORMS = {
    "text/1.txt": ("Owner:      perry", "Priority:   minor"),
    "ticket/1.json": ('"owner":"perry"', '"priority":"minor"'),
}
"""The forms of a ticket, and what they show of a draft on top of what somebody else has changed."""


async def saves_and_a_refusal(site: Site, home: Path, tool: Program, form: str) -> None:
    """Change a ticket as a person does, and look at what comes of that."""
    file, theirs = site.mnt / form, site.mnt / "@HEAD" / form
    before = await away(theirs.read_bytes)
    async with at_work(tool, file, home) as session:
        await away(session.replace, "carol", "perry")
        assert site.draft() == ({"owner": "perry"}, "")
        await away(session.replace, "bob", "zoe")
        assert site.draft() == ({"owner": "perry", "cc": "ann, zoe"}, "")
        assert await away(theirs.read_bytes) == before
        await site.changes(1, priority="minor")
        await away(session.replace, "defect", "task")
        assert site.draft() == (MINE, "")
        await shows(file, *FORMS[form])
        said = await away(session.replace, "task", "tusk")
        assert tool.complains in said
        assert "tusk" in site.refusal()
        assert site.draft() == (MINE, "")


@pytest.mark.parametrize("name", EACH)
async def test_saves_and_a_refusal(site: Site, tmp_path: Path, name: str) -> None:
    """A ticket is saved twice, and again after a sync has moved it; then a mistake is told."""
    await saves_and_a_refusal(site, tmp_path, PROGRAMS[name], "text/1.txt")


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
async def test_saves_as_json(site: Site, tmp_path: Path, name: str) -> None:
    """The same with the ticket's record."""
    await saves_and_a_refusal(site, tmp_path, PROGRAMS[name], "ticket/1.json")


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
