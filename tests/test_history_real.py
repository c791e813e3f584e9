"""A real Trac's past: each "@T" holds what the server said at T, but for what it does not log."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from offtracfs import records, sync
from offtracfs.database import Database, Settings
from offtracfs.kinds import changelog_path, ticket_path
from offtracfs.trackers.trac import connect
from tests.mounting import tree_of, until
from tests.syncing import mirrored
from tests.tracclient import said
from tests.tracinstall import PASSWORD
from tests.tracservers import RealTrac
from tests.truths import Files, name_of, shown

CUSTOM = {"browser": "text", "browser.value": "any", "regression": "checkbox", "seen": "time"}
RENAMED = ("component1", "kernel")
DELETED_FILE = "picture.png"
DELETED = 3

Seconds = list[list[Callable[[], Any]]]
"""What happens, second by second."""


class Visitor:
    """An administrator at a site's web pages."""

    def __init__(self, trac: RealTrac, client: httpx.Client) -> None:
        self.trac = trac
        self.client = client
        client.get(f"{trac.url}/login").raise_for_status()  # for a cookie

    def post(self, path: str, files: Any = None, **fields: str) -> None:
        """Fills in and sends a form, with what the page of that ticket has hidden in it."""
        page = self.client.get(self.trac.url + path.partition("#")[0]).raise_for_status().text
        hidden = dict(re.findall(r'name="(__FORM_TOKEN|view_time|start_time)"\s+value="([^"]*)"', page))
        answer = self.client.post(self.trac.url + path, data=hidden | fields, files=files)
        assert answer.status_code == 200, answer.text
        assert answer.history, "Trac shows another page when it has taken a form"

    def change(self, number: int, comment: str, **fields: str) -> None:
        """Sends a ticket's form."""
        named = {f"field_{name}": value for name, value in fields.items()}
        self.post(f"/ticket/{number}", comment=comment, action="leave", submit="Submit changes", **named)

    def edit(self, number: int, comment: int, text: str) -> None:
        """Edits a comment."""
        which = {"cnum_edit": str(comment), "edited_comment": text, "edit_comment": "Submit changes"}
        self.post(f"/ticket/{number}", **which)

    def attach(self, number: int, name: str, description: str) -> None:
        """Uploads a file."""
        what = {"action": "new", "realm": "ticket", "id": str(number), "description": description}
        self.post(
            f"/attachment/ticket/{number}/?action=new", files={"attachment": (name, b"content")}, **what
        )

    def delete_file(self, number: int, name: str) -> None:
        """Deletes an attachment."""
        self.post(f"/attachment/ticket/{number}/{name}?action=delete", action="delete")

    def rename_milestone(self, old: str, new: str) -> None:
        """Renames a milestone."""
        self.post(f"/milestone/{old}?action=edit", action="edit", id=old, name=new, save="Submit changes")


def create(trac: RealTrac, summary: str, **fields: str) -> Callable[[], Any]:
    """A ticket is opened."""
    return partial(trac.call, "ticket.create", summary, "First.\r\n\r\nSecond.", fields, False)


def update(trac: RealTrac, number: int, author: str, comment: str, **fields: str) -> Callable[[], Any]:
    """A ticket is changed over RPC."""
    return partial(trac.call, "ticket.update", number, comment, fields, False, author)


def first_story(trac: RealTrac, admin: Visitor) -> Seconds:
    """What happens before the first sync, over RPC and at the web pages."""
    form = {"keywords": "é", "description": "Other.\r\n", "seen": "2011-04-09"}
    resolve = {"action": "resolve", "action_resolve_resolve_resolution": "wontfix"}
    move = {"component": RENAMED[0], "milestone": "milestone2", "regression": "0"}
    return [
        [
            create(trac, "first", component=RENAMED[0], milestone="milestone1", browser="ours"),
            create(trac, "second", component="component2"),
        ],
        [
            update(trac, 1, "bob", "mine", owner="bob", priority="critical"),
            *(create(trac, summary) for summary in ("third", "fourth", "fifth")),
        ],
        [
            partial(admin.change, 1, "At the form.\r\n", **form),
            update(trac, 2, "ann", "", regression="1"),
            update(trac, 1, "ann", "", browser=""),
        ],
        [partial(admin.edit, 1, 1, "not mine"), partial(admin.attach, 1, DELETED_FILE, "what it looks like")],
        [
            partial(admin.edit, 1, 1, "nobody's"),
            partial(admin.attach, 2, "kept.txt", ""),
            update(trac, 2, "bob", "close", **resolve),
        ],
        [partial(admin.rename_milestone, "milestone1", "stone one"), update(trac, 3, "bob", "soon gone")],
        [update(trac, 2, "ann", "moved", **move)],
        [partial(trac.call, "ticket.component.update", RENAMED[0], {"name": RENAMED[1]})],
        [update(trac, 1, "bob", "after", summary="first!", type="task"), partial(admin.edit, 1, 2, "")],
        [
            partial(admin.delete_file, 1, DELETED_FILE),
            partial(trac.delete, DELETED),
            update(trac, 4, "", "last words", cc="a@example.org, b@example.org"),
        ],
    ]


def later_story(trac: RealTrac, admin: Visitor) -> Seconds:
    """What happens after it; Trac gives the highest number anew when its ticket is deleted."""
    return [
        [partial(admin.edit, 1, 2, "Something."), partial(admin.change, 2, "", description="Third.")],
        [partial(trac.delete, 5), create(trac, "another fifth", keywords="k")],
        [update(trac, 5, "bob", "mine", owner="bob"), partial(admin.attach, 5, "its.txt", "own")],
    ]


async def lived(trac: RealTrac, seconds: Seconds) -> dict[datetime, Files]:
    """What the server said at the end of each of some seconds, while things happened."""
    truths = {}
    for actions in seconds:
        for act in actions:
            await trio.to_thread.run_sync(act)
        files = await said(trac)
        truths[datetime.now(UTC)] = files
        end = int(time.time()) + 1
        await until(lambda end=end: time.time() >= end)
    return truths


def told(trac: RealTrac, files: Files) -> dict[str, Any]:
    """The records in `files`, but for what leaves no trace: a deleted ticket or attachment, a new name.

    Nor can be known whether a field without a value was there as nothing, or not at all. Where times are
    cut to seconds, a ticket's token is known of its last state only; but a comment's edit tells all digits.
    """
    found = {path: records.load(data) for path, data in files.items()}
    for path in ticket_path(DELETED), changelog_path(DELETED):
        found.pop(path, None)
    for path, record in found.items():
        if path.startswith("changelog"):
            gone = [row[0] for row in record if row[2] == "attachment" and row[4] == DELETED_FILE]
            record[:] = [row for row in record if row[5] or row[0] not in gone]
            continue
        props = record[3] = {name: value for name, value in record[3].items() if value not in ("", None)}
        if props.get("component") == RENAMED[0]:
            props["component"] = RENAMED[1]
        if not trac.modern:
            props.pop("_ts", None)
            record[2] = props["changetime"] = record[2][:19]
    return found


@pytest.mark.parametrize("trac", ["modern", "legacy"], indirect=True)
async def test_every_moment_is_what_the_server_said(trac: RealTrac, tmp_path: Path) -> None:
    """Each "@T" is what the server said at T, after a first sync and a later one."""
    trac.configure("ticket-custom", **CUSTOM)
    database = Database.create(tmp_path / "db", Settings(url=trac.url, user="admin"))
    truths: dict[datetime, Files] = {}
    with httpx.Client(auth=("admin", PASSWORD), timeout=60, follow_redirects=True) as client:
        admin = await trio.to_thread.run_sync(Visitor, trac, client)
        for story in (first_story, later_story):
            truths |= await lived(trac, story(trac, admin))
            await sync.once(database, partial(connect, trac.url, trac.login()))
            tree = tree_of(database)
            for now, files in truths.items():
                assert told(trac, shown(tree, name_of(now))) == told(trac, files)
            assert mirrored(database) == await said(trac)
