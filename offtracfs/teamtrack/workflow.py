"""The workflow's rules: which states and transitions there are for a case, and what a transition does to it.

Pure: rows go in, as mappings of field names to values, and rows or values come out. Workflows form a tree, as
do projects. A workflow has its own states and transitions and those of the workflows above it; of two with
one name the lower one's wins.

Rules of this project's own, where no source says anything:

- A project without a workflow has that of the project above it.
- A submitted record keeps its state where the workflow has it. Else the workflow's transition from no state
  (OLDSTATEID 0) says in which state it begins.
- A case that enters a closed state (OPENCLOSED 1) becomes inactive, and its CLOSEDATE is set. One that leaves
  it becomes active, and has no CLOSEDATE. Between two closed states CLOSEDATE stays.
- OWNER changes only where the caller sets it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from offtracfs.errors import TeamTrackError, TSAPIError
from offtracfs.teamtrack.provisional import ACTIVE, CLOSED, FROM_STATE, INACTIVE, IS_CLOSED, TO_STATE

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Site:
    """The rows of the tables PROJECTS, WORKFLOWS, STATES and TRANSITIONS."""

    projects: Sequence[Row]
    workflows: Sequence[Row]
    states: Sequence[Row]
    transitions: Sequence[Row]


def _of(row: Row, field: str) -> Any:
    """A field of a row. Raises TSAPIError where the database has no such column."""
    if field not in row:
        raise TSAPIError(
            f"The workflow's rules need a column TS_{field}, which this TeamTrack does not have."
        )
    return row[field]


def chain(rows: Iterable[Row], number: int) -> list[int]:
    """The id of a project or workflow, then those above it.

    Raises TeamTrackError where there is no such row, TSAPIError where one is above itself.
    """
    parents = {_of(row, "ID"): _of(row, "PARENTID") for row in rows}
    if number not in parents:
        raise TeamTrackError(f"There is no project or workflow with the id {number}.")
    found: list[int] = []
    while number in parents:
        if number in found:
            raise TSAPIError(f"The project or workflow {number} stands above itself.")
        found.append(number)
        number = parents[number]
    return found


def workflow_of(site: Site, project: int) -> int:
    """The id of a project's workflow. Raises TeamTrackError where it has none, TSAPIError."""
    workflows = {_of(row, "ID"): _of(row, "WORKFLOWID") for row in site.projects}
    for number in chain(site.projects, project):
        if found := workflows[number]:
            return int(found)
    raise TeamTrackError(f"The project {project} has no workflow.")


def inherited(rows: Iterable[Row], workflows: Sequence[int]) -> list[Row]:
    """The states or transitions of the first of these workflows, and what it has from the others, in order.

    PROJECTID of a state or transition is really its workflow. A workflow may have several of one name.
    """
    of: dict[int, list[Row]] = {}
    for row in rows:
        of.setdefault(_of(row, "PROJECTID"), []).append(row)
    found: list[Row] = []
    for workflow in workflows:
        names = {_of(row, "NAME") for row in found}
        found += [row for row in of.get(workflow, []) if _of(row, "NAME") not in names]
    return found


def states(workflows: Iterable[Row], rows: Iterable[Row], workflow: int, include_parent: bool) -> list[Row]:
    """The states for cases in a workflow. Raises TeamTrackError, TSAPIError."""
    above = chain(workflows, workflow)
    return inherited(rows, above if include_parent else above[:1])


def transitions(site: Site, project: int) -> list[Row]:
    """The transitions for cases in a project. Raises TeamTrackError, TSAPIError."""
    return inherited(site.transitions, chain(site.workflows, workflow_of(site, project)))


def submitted(site: Site, table: int, case: Row, project: int, user: int, now: int) -> dict[str, Any]:
    """What a submit sets in a new record, beside its ids. Raises TeamTrackError, TSAPIError."""
    _check_table(site, table, project)
    state = case.get("STATE") or next(
        (_of(row, TO_STATE) for row in transitions(site, project) if not _of(row, FROM_STATE)), 0
    )
    if not state:
        raise TeamTrackError(
            f"No transition says in which state a record of project {project} begins: set its STATE."
        )
    who = {"SUBMITTER": user, "LASTMODIFIER": user, "LASTSTATECHANGER": user}
    when = {"SUBMITDATE": now, "LASTMODIFIEDDATE": now, "LASTSTATECHANGEDATE": now}
    return {"PROJECTID": project, **who, **when, **_entered(site, None, project, state, now)}


def transitioned(
    site: Site, table: int, case: Row, transition: int, project: int, user: int, now: int
) -> dict[str, Any]:
    """What a transition sets in a record that stands as `case`; `project` is where it goes.

    Raises TeamTrackError where the transition is not one of its project's, or does not leave its state, or
    the new project's workflow does not have the new state; TSAPIError.
    """
    _check_table(site, table, project)
    found = next(
        (row for row in transitions(site, _of(case, "PROJECTID")) if _of(row, "ID") == transition), None
    )
    if found is None:
        raise TeamTrackError(f"Project {case['PROJECTID']} has no transition with the id {transition}.")
    if not _of(case, "STATE") or _of(found, FROM_STATE) != _of(case, "STATE"):
        raise TeamTrackError(
            f"The transition {transition} ({found['NAME']}) does not leave the state {case['STATE']}."
        )
    who = {"LASTMODIFIER": user, "LASTSTATECHANGER": user}
    when = {"LASTMODIFIEDDATE": now, "LASTSTATECHANGEDATE": now}
    return {
        "PROJECTID": project,
        **who,
        **when,
        **_entered(site, _of(case, "STATE"), project, _of(found, TO_STATE), now),
    }


def _check_table(site: Site, table: int, project: int) -> None:
    workflow = workflow_of(site, project)
    of = next((row.get("TABLEID") for row in site.workflows if _of(row, "ID") == workflow), None)
    if of and of != table:
        raise TeamTrackError(f"The workflow of project {project} is for records of table {of}.")


def _entered(site: Site, before: int | None, project: int, state: int, now: int) -> dict[str, Any]:
    """What entering a state sets. Raises TeamTrackError where the project's workflow does not have it."""
    above = chain(site.workflows, workflow_of(site, project))
    closed = {_of(row, "ID"): row.get(IS_CLOSED) == CLOSED for row in site.states}
    if state not in {_of(row, "ID") for row in site.states if _of(row, "PROJECTID") in above}:
        raise TeamTrackError(f"The workflow of project {project} has no state with the id {state}.")
    values: dict[str, Any] = {"STATE": state, "ACTIVEINACTIVE": INACTIVE if closed[state] else ACTIVE}
    if closed[state] != closed.get(before or 0, False):
        values["CLOSEDATE"] = now if closed[state] else None
    return values
