"""What is not known for sure of TeamTrack: numbers, names of columns, and rules. All of it stands here.

No TeamTrack server and none of its databases was there to try this on. What is confirmed: the tables of the
cases (1 and 1000) and of the projects (8). All else in this module is provisional: it is what this project
writes into databases that it makes itself, and expects of those that it changes. A read takes table ids and
columns from the database itself, whatever they are.
"""

from __future__ import annotations

from typing import Final

TABLES: Final = {
    "CASES": 1,
    "INCIDENTS": 2,
    "COMPANIES": 3,
    "CONTACTS": 4,
    "MERCHANDISE": 5,
    "PRODUCTS": 6,
    "SERVICEAGREEMENTS": 7,
    "PROJECTS": 8,
    "PROBLEMS": 9,
    "RESOLUTIONS": 10,
    "TABLES": 11,
    "FIELDS": 12,
    "SELECTIONS": 13,
    "STATES": 14,
    "TRANSITIONS": 15,
    "WORKFLOWS": 16,
    "USERS": 17,
    "LASTIDS": 18,
    "CHANGES": 19,
    "CHANGEACTIONS": 20,
    "TTT_ISSUES": 1000,
}
"""Table → id, where no database says it."""

FIELD_TYPES: Final = {
    "NUMERIC": 100,
    "TEXT": 101,
    "DATETIME": 103,
    "SELECTION": 104,
    "BINARY": 105,
    "STATE": 106,
    "USER": 107,
    "PROJECT": 108,
    "SUMMATION": 109,
    "MULTIPLE_SELECTION": 110,
    "CONTACT": 111,
    "COMPANY": 112,
    "INCIDENT": 113,
    "PRODUCT": 114,
    "SERVICEAGREEMENT": 115,
    "FOLDER": 116,
    "RELATIONAL": 120,
    "SUBRELATIONAL": 121,
    "SYSTEM": 122,
    "MULTIPLE_RELATIONAL": 123,
}
"""The type of a field → TS_FIELDS.TS_FLDTYPE. The names are the SOAP service's."""

ISSUE: Final = "Issue"  # TS_TABLES.TS_SNAME of the case table from TeamTrack 5.0 on: confirmed

# Columns without their TS_, and what their numbers mean.
FROM_STATE: Final = "OLDSTATEID"  # of a transition; 0 where it submits
TO_STATE: Final = "NEWSTATEID"
IS_CLOSED: Final = "OPENCLOSED"  # of a state: 0 open, 1 closed
CLOSED: Final = 1
ACTIVE, INACTIVE = 0, 1  # ACTIVEINACTIVE of a case

ACTION_COLUMNS: Final = ("ID", "TABLEID", "CASEID", "USERID", "TIME", "TRANSITIONID")
"""TS_CHANGEACTIONS: a row each time that somebody does something to a case."""

CHANGE_COLUMNS: Final = (
    "ID", "ACTIONID", "TABLEID", "CASEID", "FLDID", "PRIORINT", "NEWINT", "PRIORTEXT", "NEWTEXT"
)  # fmt: skip
"""TS_CHANGES: a row for each field that an action changed. Whole numbers, ids and dates stand in the two INT
columns, texts and other numbers in the two TEXT ones."""

UPDATE, SUBMIT = 0, -1
"""CHANGEACTIONS.TRANSITIONID where there was no transition."""
