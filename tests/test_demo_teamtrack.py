"""The demo's TeamTrack: the same for ever, true to the workflow's rules, and as it stood at any moment."""

from __future__ import annotations

import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from offtracfs_cli.demo import TEAMTRACK_TOUR
from sqlalchemy import create_engine

from offtracfs import teamtrack
from offtracfs.demo import workflows
from offtracfs.demo.cases import UNRESOLVED, steps, story
from offtracfs.demo.lives import END, START
from offtracfs.demo.teamtrack import fill
from offtracfs.teamtrack.provisional import SUBMIT, UPDATE
from offtracfs.teamtrack.server import Server
from tests.program import offtracfs
from tests.teamtracks import CASES, everything

FIRST, LAST = int(START.timestamp()), int(END.timestamp())


def _made(file: Path, **options: Any) -> Server:
    engine = create_engine(f"sqlite:///{file}")
    fill(engine, **{"cases": CASES, **options})
    engine.dispose()
    return teamtrack.connect("", "", f"sqlite:///{file}")


def test_the_same_for_ever(tmp_path: Path) -> None:
    """Two databases made with the same arguments have the same rows, and the first of them these."""
    with _made(tmp_path / "a") as first, _made(tmp_path / "b") as second:
        assert everything(first) == everything(second)
        case = first.read_record(first.case_table_id(), 1)
        assert (case["ISSUEID"], case["SUBMITDATE"]) == ("GR00001", 1_365_235_200)


def test_steps_are_in_order_of_time() -> None:
    """The steps of all cases together are ordered, within the ten years, and no less than those of each."""
    walked = list(steps(CASES))
    assert [step.moment for step in walked] == sorted(step.moment for step in walked)
    assert FIRST <= walked[0].moment <= walked[-1].moment <= LAST
    for number in range(1, CASES + 1):
        told = story(number, CASES)
        assert [step for step in walked if step.case == number] == told
        assert told[0].transition == SUBMIT
        assert all(later.before == earlier.after for earlier, later in pairwise(told))


def test_cases_keep_to_their_workflow(tmp_path: Path) -> None:
    """Each step is a transition that its project has, and that leaves the state that the case was in."""
    with _made(tmp_path / "a") as server:
        allowed = {
            project: {row["ID"]: row for row in server.read_transition_list(project)}
            for project in workflows.PROJECTS
        }
        for step in steps(CASES):
            if step.transition not in (SUBMIT, UPDATE):
                transition = allowed[step.before["PROJECTID"]][step.transition]
                assert transition["OLDSTATEID"] == step.before["STATE"]
                assert transition["NEWSTATEID"] == step.after["STATE"]
        states = {case["STATE"] for case in server.query(server.case_table_id())}
        assert {workflows.ASSIGNED, workflows.CLOSED} <= states
        assert server.read_record(server.case_table_id(), UNRESOLVED)["STATE"] == workflows.ASSIGNED


@pytest.mark.parametrize("issues", [False, True])
def test_as_it_stood_at_a_moment(tmp_path: Path, issues: bool) -> None:
    """A database made until a moment has the cases, values and history that the whole one had then."""
    moment = (FIRST + LAST) // 2
    with (
        _made(tmp_path / "whole", issues=issues) as whole,
        _made(tmp_path / "part", issues=issues, until=moment) as part,
    ):
        actions = whole.query(whole.tables["CHANGEACTIONS"], f"TS_TIME <= {moment}")
        assert list(part.query(part.tables["CHANGEACTIONS"])) == list(actions)
        last = actions[-1]["ID"]
        changes = whole.query(whole.tables["CHANGES"], f"TS_ACTIONID <= {last}")
        assert list(part.query(part.tables["CHANGES"])) == list(changes)
        stood = {step.case: step.after for step in steps(CASES) if step.moment <= moment}
        cases = {case["ID"]: case for case in part.query(part.case_table_id())}
        assert cases.keys() == stood.keys()
        for number, values in stood.items():
            assert {name: cases[number][name] for name in values} == values


def test_ids_go_on_where_they_end(tmp_path: Path) -> None:
    """TS_LASTIDS and the projects know the last ids, so that the database can be written on."""
    with _made(tmp_path / "a") as server:
        for row in server.query(server.tables["LASTIDS"]):
            assert row["LASTID"] == max(server.query(row["TABLEID"]).ids, default=0)
        for project in server.query(server.tables["PROJECTS"], "TS_USEPARENTSEQ = 0"):
            clause = f"TS_ISSUEID LIKE '{project['PREFIX']}%'"
            issues = [int(case["ISSUEID"][-5:]) for case in server.query(server.case_table_id(), clause)]
            assert issues == list(range(1, project["LASTID"] + 1))


def test_mounted(tmp_path: Path, place: Path) -> None:
    """`demo --teamtrack` mounts it, and everything that it tells its user to try shows something."""
    done = offtracfs(tmp_path, "demo", "--teamtrack", place)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.strip() for line in done.stdout.splitlines() if line.startswith("  ")]
    assert len(lines) == len([line for line in TEAMTRACK_TOUR.splitlines() if line.startswith("  ")])
    for line in lines[:-1]:
        command = line.replace("offtracfs --db", f"{sys.executable} -m offtracfs_cli --db", 1)
        tried = subprocess.run(command, shell=True, capture_output=True, text=True, check=False, timeout=60)
        assert (tried.returncode, tried.stderr) == (int(line.startswith("diff")), ""), line
        assert tried.stdout, line
    assert offtracfs(tmp_path, *shlex.split(lines[-1])[1:]).returncode == 0
