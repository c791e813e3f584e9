"""The garden railway as a TeamTrack would have it: projects, workflows, states, fields. Data only.

The numbers of states, transitions and so on are their TS_IDs.
"""

from __future__ import annotations

from typing import NamedTuple

from offtracfs.demo import railway

USERS = (
    "triage", "platelayer", "signalbox", "fitter", "maintainer", "docs", "driver", "gardener", "guest", "qa",
    "newton",
    "Joe",
)  # fmt: skip


class Workflow(NamedTuple):
    """A workflow; `cases` is False for that of another table, the incidents."""

    name: str
    parent: int
    cases: bool = True


WORKFLOWS = {  # in pre-order
    1: Workflow("Railway", 0),
    2: Workflow("Outdoor works", 1),
    3: Workflow("Software", 1),
    4: Workflow("Camera software", 3),
    5: Workflow("Visitors", 0, cases=False),
}


class State(NamedTuple):
    """A state of a workflow."""

    name: str
    workflow: int
    closed: bool = False


NEW, ASSIGNED, RESOLVED, CLOSED, DRYING, IN_TEST, HEARD = 1, 2, 3, 4, 5, 6, 7
STATES = {
    NEW: State("New", 1),
    ASSIGNED: State("Assigned", 1),
    RESOLVED: State("Resolved", 1),
    CLOSED: State("Closed", 1, closed=True),
    DRYING: State("Waiting for dry weather", 2),
    IN_TEST: State("In test", 3),
    HEARD: State("Heard", 5),
}


class Transition(NamedTuple):
    """A transition; it submits where it leaves no state."""

    name: str
    workflow: int
    leaves: int
    enters: int


TRANSITIONS = {
    1: Transition("Submit", 1, 0, NEW),
    2: Transition("Assign", 1, NEW, ASSIGNED),
    3: Transition("Resolve", 1, ASSIGNED, RESOLVED),
    4: Transition("Close", 1, RESOLVED, CLOSED),
    5: Transition("Reopen", 1, CLOSED, ASSIGNED),
    6: Transition("Wait", 2, ASSIGNED, DRYING),
    7: Transition("Go on", 2, DRYING, ASSIGNED),
    8: Transition("Resolve", 3, ASSIGNED, IN_TEST),  # instead of the one that it would inherit
    9: Transition("Pass", 3, IN_TEST, RESOLVED),
    10: Transition("Fail", 3, IN_TEST, ASSIGNED),
    11: Transition("Fail", 4, IN_TEST, NEW),
    12: Transition("Submit", 5, 0, HEARD),
}


class Project(NamedTuple):
    """A project; `workflow` 0 is that of the project above it, and `own` issue ids begin with its prefix."""

    name: str
    parent: int
    workflow: int
    prefix: str = ""
    own: bool = False


PROJECTS = {
    1: Project("Garden railway", 0, 1, "GR", own=True),
    2: Project("Permanent way", 1, 2),
    3: Project("Signal box", 1, 1),
    4: Project("Workshop", 1, 2, "WS", own=True),
    5: Project("Electronics", 1, 3, "EL", own=True),
    6: Project("Summit camera", 5, 4),
    7: Project("Library", 1, 1),
    8: Project("Visitors", 0, 5, "VIS", own=True),
}
PROJECT_OF = {
    "track": 2, "points": 2, "signals": 3, "timetable": 3, "engines": 4, "controller": 5, "track camera": 6,
    "manual": 7,
}  # fmt: skip

SEVERITIES = ("Derailed", "Delayed", "Scratched", "Smelled")
SELECTIONS = {
    "ISSUETYPE": tuple(word.capitalize() for word in railway.TYPES),
    "PRIORITY": tuple(word.capitalize() for word in railway.PRIORITIES),
    "SEVERITY": SEVERITIES,
    "WEATHER": tuple(word for word in railway.WEATHER if word),
    "PLACES": railway.PLACES,
}
"""Field → what can be selected. PLACES takes several."""

CASE_FIELDS = {
    "ISSUEID": "TEXT", "TITLE": "TEXT", "DESCRIPTION": "TEXT", "ISSUETYPE": "SELECTION", "PROJECTID":
    "PROJECT",
    "STATE": "STATE", "OWNER": "USER", "SUBMITTER": "USER", "SUBMITDATE": "DATETIME", "CLOSEDATE": "DATETIME",
    "LASTMODIFIER": "USER", "LASTMODIFIEDDATE": "DATETIME", "LASTSTATECHANGER": "USER",
    "LASTSTATECHANGEDATE": "DATETIME", "ACTIVEINACTIVE": "BINARY", "PRIORITY": "SELECTION", "SEVERITY":
    "SELECTION",
    "WEATHER": "SELECTION", "PLACES": "MULTIPLE_SELECTION", "KEYWORDS": "TEXT", "COSTS": "NUMERIC",
}  # fmt: skip
"""Field of a case → its type in `provisional.FIELD_TYPES`. Those of the railway's own come last, from WEATHER
on."""
FIELD_NAMES = {
    "ISSUEID": "Issue Id", "ISSUETYPE": "Issue Type", "PROJECTID": "Project", "SUBMITDATE": "Submit Date",
    "CLOSEDATE": "Close Date", "LASTMODIFIER": "Last Modifier", "LASTMODIFIEDDATE": "Last Modified Date",
    "LASTSTATECHANGER": "Last State Changer", "LASTSTATECHANGEDATE": "Last State Change Date",
    "ACTIVEINACTIVE": "Active/Inactive",
}  # fmt: skip
"""Field of a case → what people call it, where that is not just its name."""
OWN_FIELDS = ("WEATHER", "PLACES", "KEYWORDS", "COSTS")  # those that not every TeamTrack has

COLUMNS = {
    "TABLES": "ID NAME SNAME DBNAME",
    "FIELDS": "ID TABLEID PROJECTID NAME DBNAME FLDTYPE LEN ATTRIBUTES STATUS PROPERTY DEFAULTINT "
    "DEFAULTREAL DEFAULTCHAR REQUIRED SYSCODE OPTIONS DESCRIPTION",
    "SELECTIONS": "ID FLDID NAME VALUE STATUS SEQUENCE",
    "STATES": "ID NAME PROJECTID STATUS OPENCLOSED OWNER SEQUENCE",
    "TRANSITIONS": "ID NAME PROJECTID OLDSTATEID NEWSTATEID STATUS SEQUENCE",
    "WORKFLOWS": "ID NAME PARENTID SEQUENCE TABLEID",
    "PROJECTS": "ID NAME DESCRIPTION PARENTID WORKFLOWID USEPARENTWORKFLOW SEQUENCE PREFIX LASTID ZEROFILLTO "
    "USEPARENTSEQ",
    "USERS": "ID LOGINID NAME EMAIL STATUS",
    "LASTIDS": "ID NAME TABLEID LASTID",
    "CHANGEACTIONS": "ID TABLEID CASEID USERID TIME TRANSITIONID",
    "CHANGES": "ID ACTIONID TABLEID CASEID FLDID PRIORINT NEWINT PRIORTEXT NEWTEXT",
    "COMPANIES": "ID NAME",
}
"""Table → the columns that a database of the demo has, without their TS_; the table of the cases is
`CASE_FIELDS`."""
