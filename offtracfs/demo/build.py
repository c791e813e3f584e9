"""The demo's tickets and its fields, versions and reports as a database: a commit for each change."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from offtracfs import kinds, records
from offtracfs.database import Database, Settings, State
from offtracfs.demo import railway
from offtracfs.demo.lives import END, RELEASES, START, by_day, tickets
from offtracfs.store.fastimport import NOBODY
from offtracfs.sync import replay
from offtracfs.trackers.tracrules import TracRules

VERSION = 3  # of what is made here: where that changes, an older database is not used again
URL = "demo:"
RULES = TracRules()
_YEAR = timedelta(days=365.25)


class _Change(NamedTuple):
    """One commit to be; the moment in microseconds since 1970 UTC."""

    moment: int
    author: str
    message: str
    files: dict[str, Any]  # path → record


def database(directory: Path, fill: Callable[[Path], None] | None = None) -> Database:
    """The demo below a directory of its own; made, in a second or two, where it is not there yet.

    `fill` makes another one at a path.
    A process that is killed meanwhile leaves nothing that would be taken for a database.
    Raises DatabaseError.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    path, part = directory / f"{VERSION}", directory / "part"
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two at a time would make it twice
        if not path.exists():
            shutil.rmtree(part, ignore_errors=True)
            (fill or _trac)(part)
            part.rename(path)
    return Database(path)


def _trac(part: Path) -> None:
    made = Database.create(part, Settings(URL))
    changes = sorted([*_metadata(), *_tickets()], key=attrgetter("moment"))
    recent = {"recent": records.iso(records.from_microseconds(changes[-1].moment))}
    changes[-1].files[kinds.DB_PATH] = recent
    with made.writing("demo"), made.store.writer() as writer:
        for change in changes:
            writer.commit(
                author=change.author,
                authored=change.moment // records.SECOND,
                committed=change.moment // records.SECOND,
                message=change.message,
                files=[
                    (path, writer.blob(records.dump(item))) for path, item in sorted(change.files.items())
                ],
            )
    with made.writing("demo"):
        made.catch_up()
    ended = records.iso(END)
    made.save(State(ended, ended, ended, int(END.timestamp()), user=railway.READER))


def _tickets() -> Iterator[_Change]:
    for ticket in tickets():
        for version in replay.replay(ticket.record, records.rows(ticket.changelog), RULES):
            assert version.moment is not None  # these logs explain all of their tickets
            files = {
                kinds.ticket_path(ticket.number): version.record,
                kinds.changelog_path(ticket.number): version.changelog,
            }
            message = f"{version.subject}\n\n{version.body}".strip() + "\n"
            yield _Change(version.moment, version.author, message, files)


def _metadata() -> Iterator[_Change]:
    """What the tracker does not log; sync would notice it on the day."""
    moments = {START, *(release.day for release in RELEASES)}
    moments |= {START + component.since * _YEAR for component in railway.COMPONENTS.values()}
    days = sorted(moment for moment in moments if moment <= END)
    yield _Change(_micro(START), NOBODY, "Fields and reports as first seen\n", _records(START))
    for before, moment in pairwise(days):
        known = _records(before)
        files = {path: new for path, new in _records(moment).items() if known.get(path) != new}
        lines = [f"Noticed: {len(files)} changes that the tracker does not log", "", *sorted(files), ""]
        yield _Change(_micro(moment), NOBODY, "\n".join(lines), files)


def _micro(moment: datetime) -> int:
    return records.microseconds(records.iso(by_day(moment)))


def _records(moment: datetime) -> dict[str, Any]:
    """Everything but the tickets as it stood then, by path."""
    values = _values(moment)
    found = {
        kinds.field_path(kind, name): item for kind, items in values.items() for name, item in items.items()
    }
    for number, (title, description, sql) in railway.REPORTS.items():
        header = f"-- ## {number}: {title} ## --\n\n-- {description}\n\n"
        found[kinds.report_path(number)] = {"title": title, "description": description, "sql": header + sql}
    return found | {"fields.json": _definitions({kind: list(items) for kind, items in values.items()})}


def _values(moment: datetime) -> dict[str, dict[str, Any]]:
    """Each field's values, with what Trac's RPC says of them."""
    component = {
        name: {"name": name, "owner": item.owner, "description": item.description}
        for name, item in railway.COMPONENTS.items()
        if START + item.since * _YEAR <= moment
    }
    milestone = {
        release.milestone: {
            "name": release.milestone,
            "due": records.iso(release.day),
            "completed": records.iso(by_day(release.day)) if release.day <= moment else 0,
            "description": f"What the railway shall do on the running day after {release.day:%d %B %Y}.",
        }
        for release in RELEASES
        if release.day - _YEAR <= moment
    }
    version = {
        release.version: {"name": release.version, "time": records.iso(release.day), "description": ""}
        for release in RELEASES
        if release.day <= moment
    }
    enums = {
        "priority": railway.PRIORITIES,
        "resolution": railway.RESOLUTIONS,
        "type": railway.TYPES,
    }
    numbered = {kind: {name: str(n) for n, name in enumerate(words, 1)} for kind, words in enums.items()}
    status = dict.fromkeys(railway.STATUSES, "0")  # as Trac's RPC has it
    return {"component": component, "milestone": milestone, "version": version, "status": status, **numbered}


def _definitions(options: dict[str, list[str]]) -> list[dict[str, Any]]:
    """What ``ticket.getTicketFields`` says; `weather` is a custom field."""
    texts = [
        {"name": name, "type": "textarea" if name == "description" else "text", "label": name.capitalize()}
        for name in ("summary", "reporter", "owner", "description", "keywords", "cc")
    ]
    choices = [
        {"name": name, "type": "select", "label": name.capitalize(), "options": words, "value": ""}
        for name, words in options.items()
    ]
    weather = {"name": "weather", "type": "select", "label": "Weather", "options": list(railway.WEATHER)}
    times = [
        {"name": name, "type": "time", "label": label, "format": "relative"}
        for name, label in (("time", "Created"), ("changetime", "Modified"))
    ]
    return [*texts, *choices, weather | {"value": "", "custom": True, "order": 1}, *times]
