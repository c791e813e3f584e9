"""The workflow's rules on rows alone: what is inherited, and what is wrong in the rows themselves."""

from __future__ import annotations

from typing import Any

import pytest

from offtracfs import teamtrack
from offtracfs.teamtrack import workflow
from offtracfs.teamtrack.workflow import Site

WORKFLOWS = [
    {"ID": 1, "PARENTID": 0, "TABLEID": 1},
    {"ID": 2, "PARENTID": 1, "TABLEID": 1},
    {"ID": 3, "PARENTID": 2},
]


def _row(number: int, name: str, workflow: int, **values: Any) -> dict[str, Any]:
    return {"ID": number, "NAME": name, "PROJECTID": workflow, **values}


def test_own_ones_win_and_several_of_a_name_stay() -> None:
    """A workflow's own rows hide those of the same name above it, and each level those above that."""
    rows = [
        _row(1, "a", 1),
        _row(2, "b", 1),
        _row(3, "b", 2),
        _row(4, "b", 2),
        _row(5, "c", 3),
        _row(6, "c", 1),
    ]
    assert [row["ID"] for row in workflow.inherited(rows, [3, 2, 1])] == [5, 3, 4, 1]
    assert [row["ID"] for row in workflow.inherited(rows, [1])] == [1, 2, 6]


def test_the_workflow_of_a_project_without_one() -> None:
    """A project without a workflow has that of the nearest project above it that has one."""
    projects: list[dict[str, Any]] = [
        {"ID": 1, "PARENTID": 0, "WORKFLOWID": 2},
        {"ID": 2, "PARENTID": 1, "WORKFLOWID": None},
        {"ID": 3, "PARENTID": 2, "WORKFLOWID": 0},
        {"ID": 4, "PARENTID": 99, "WORKFLOWID": 0},
    ]
    site = Site(projects, WORKFLOWS, [], [])
    assert workflow.workflow_of(site, 3) == 2
    with pytest.raises(teamtrack.error, match="has no workflow"):
        workflow.workflow_of(site, 4)


def test_a_circle() -> None:
    """A workflow above itself is an error of the TeamTrack's, and no loop without end."""
    rows = [{"ID": 1, "PARENTID": 2}, {"ID": 2, "PARENTID": 1}]
    with pytest.raises(teamtrack.tsapi_error, match="above itself"):
        workflow.chain(rows, 1)


def test_no_first_state() -> None:
    """Where no transition submits, and the record has no state, it is not guessed."""
    site = Site([{"ID": 1, "PARENTID": 0, "WORKFLOWID": 1}], WORKFLOWS, [_row(7, "New", 1)], [])
    with pytest.raises(teamtrack.error, match="set its STATE"):
        workflow.submitted(site, 1, {}, 1, 1, 0)
    assert workflow.submitted(site, 1, {"STATE": 7}, 1, 1, 0)["STATE"] == 7


def test_close_dates() -> None:
    """CLOSEDATE is set where a closed state is entered, stays between two of them, and goes with the last."""
    states = [_row(1, "open", 1), _row(2, "closed", 1, OPENCLOSED=1), _row(3, "archived", 1, OPENCLOSED=1)]
    moves = [
        _row(number, str(number), 1, OLDSTATEID=old, NEWSTATEID=new)
        for number, (old, new) in enumerate(((1, 2), (2, 3), (3, 1), (1, 1)))
    ]
    site = Site([{"ID": 1, "PARENTID": 0, "WORKFLOWID": 1}], WORKFLOWS, states, moves)

    def closed(number: int) -> Any:
        case = {"STATE": moves[number]["OLDSTATEID"], "PROJECTID": 1}
        values = workflow.transitioned(site, 1, case, number, 1, 1, 50)
        return values.get("CLOSEDATE", "as it was"), values["ACTIVEINACTIVE"]

    assert [closed(number) for number in range(4)] == [(50, 1), ("as it was", 1), (None, 0), ("as it was", 0)]
