"""A small tracker in which everything happens that a ticket's text and the changes can show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from offtracfs import records
from offtracfs.database import Database
from tests.mounting import AUTUMN, SPRING, SUMMER, append, new_database, ticket

Row = list[Any]
NASTY = "red \x1b[31m\u202e"
LONG = "one\r\ntwo\r\nthree\r\nfour"


def moment(seconds: int) -> str:
    """ISO text of a moment in seconds since 1970 UTC."""
    return records.iso(records.from_microseconds(seconds * records.SECOND))


def changed(number: int, when: int, log: list[Row], **props: str) -> dict[str, bytes | None]:
    """The records of a ticket that was made in spring and last changed at a moment."""
    made = ticket(number, SPRING, **{"changetime": moment(when), **props})
    record = records.load(made[f"ticket/{number}.json"] or b"")
    record[2] = moment(when)
    return {f"ticket/{number}.json": records.dump(record), f"changelog/{number}.json": records.dump(log)}


def rows(when: int, author: str, *changes: tuple[str, str, str]) -> list[Row]:
    """Rows of a log: what somebody has changed at a moment; an attachment is not permanent."""
    return [[moment(when), author, *change, int(change[0] != "attachment")] for change in changes]


FIELDS = [
    {"name": "summary", "type": "text", "label": "Summary"},
    {"name": "reporter", "type": "text", "label": "Reporter"},
    {"name": "owner", "type": "text", "label": "Assigned to"},
    {"name": "status", "type": "select", "label": "Status"},
    {"name": "description", "type": "textarea", "label": "Description"},
    {"name": "cc", "type": "text", "format": "list", "label": "Cc"},
]
CLOSED = rows(
    SUMMER,
    "bob",
    ("attachment", "", "trace.txt"),
    ("cc", "ann", "ann, eve"),
    ("comment", "1", f"Fixed.\r\n- for good\n+ {NASTY}"),
    ("description", LONG, LONG.replace("two", "2")),
    ("status", "new", "closed"),
)
MILESTONE = "field/milestone/1.0+Crocus.json"


def database(place: Path, **settings: Any) -> Database:
    """Three tickets of spring. In summer one is closed; in autumn one is gone, and one has a new owner."""
    made = new_database(place / "db", **settings)
    first = {
        "reporter": "ann",
        "owner": "",
        "component": "ui",
        "cc": "ann",
        "description": LONG,
        "summary": "It crashes",
    }
    spring = ticket(1, SPRING, **first) | ticket(2, summary=NASTY) | ticket(3, summary="Gone soon")
    spring |= {"fields.json": records.dump(FIELDS), "db.json": records.dump({"recent": moment(SPRING)})}
    spring |= {MILESTONE: records.dump({"name": "1.0 Crocus", "due": 0})}
    closed = first | {"status": "closed", "cc": "ann, eve", "description": LONG.replace("two", "2")}
    autumn = changed(2, SPRING, [], summary=NASTY, owner="eve")
    autumn |= {"ticket/3.json": None, "changelog/3.json": None}
    autumn |= {MILESTONE: records.dump({"name": "1.0 Crocus", "due": moment(AUTUMN)})}
    autumn |= {"report/1.json": records.dump({"title": "Mine", "sql": "SELECT 1"})}
    append(made, (SPRING, spring), (SUMMER, changed(1, SUMMER, CLOSED, **closed)), (AUTUMN, autumn))
    return made
