"""From the spool into git: one commit a change, in time order, all of a sync or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from offtracfs import records
from offtracfs.database import Database, Settings
from offtracfs.kinds import changelog_path, ticket_path
from offtracfs.records import from_microseconds, iso, microseconds
from offtracfs.store import Store
from offtracfs.store.fastimport import Writer
from offtracfs.sync.items import Item, Tickets
from offtracfs.sync.revisions import MAX_LISTED, Plan, append
from offtracfs.sync.spool import Spool
from offtracfs.sync.versions import ready_versions, stored_files
from offtracfs.trackers import Tracker
from offtracfs.trackers.tracrules import TracRules
from tests.helpers import git, listed, log_of

NOW = 1_400_000_000
DAY = 86_400


def text(moment: int) -> str:
    return iso(from_microseconds(moment * 1_000_000))


Ticket = tuple[list[Any], list[list[Any]]]


def ticket(number: int, created: int, *changes: tuple[int, str, str], **props: Any) -> Ticket:
    """A new ticket, and who set its status to what at which moments."""
    status = "new"
    rows: list[list[Any]] = []
    for moment, author, new in changes:
        comment = [text(moment), author, "comment", str(len(rows) // 2 + 1), f"Now {new}.\r\nSee #1.", 1]
        rows += [comment, [text(moment), author, "status", status, new, 1]]
        status = new
    changed = max([created, *(moment for moment, _, _ in changes)])
    values = {"status": status, "reporter": "ann", "summary": f"Ticket {number}"} | props
    return [number, text(created), text(changed), values], rows


def put(spool: Spool, *tickets: Ticket) -> None:
    """Tickets as a fetch leaves them in the spool."""
    spool.add(
        [
            Item(
                "ticket",
                record[0],
                microseconds(record[1]),
                microseconds(record[2]),
                {
                    ticket_path(record[0]): records.dump(record),
                    changelog_path(record[0]): records.dump(changelog),
                },
            )
            for record, changelog in tickets
        ]
    )


def plan(found: Mapping[str, Any] | None = None, *, now: int = NOW, floor: int = 0, recent: str = "") -> Plan:
    return Plan(now, floor, found or {}, recent or text(now), now - 60)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """An empty database."""
    return Database.create(tmp_path / "db", Settings("http://127.0.0.1:9/"))


class TicketLogs:
    """What of a tracker the versions of its tickets need."""

    log_rules = TracRules()


def sync(database: Database, what: Plan, *tickets: Ticket) -> int:
    """What a sync does with what it has fetched; the number of commits."""
    kind = Tickets(cast(Tracker, TicketLogs()))
    with (
        closing(Spool(database.path / "spool.db")) as spool,
        database.store.importing() as writer,
        database.snapshot() as snapshot,
    ):
        put(spool, *tickets)
        spool.forget_versions()
        for item in spool.items("ticket"):
            stored = stored_files(kind, item.key, snapshot)
            spool.add_versions(trio.run(ready_versions, kind, item, stored, writer))
        with database.store.appending(writer):
            commits = append(snapshot, spool, writer, what)
        spool.clear()
    database.catch_up()
    return commits


def log(store: Store, form: str, *options: str) -> list[str]:
    """What ``git log`` says of each commit, oldest first."""
    return git(store, "log", "--reverse", "-z", f"--format={form}", *options).strip("\0").split("\0")


def state(database: Database) -> dict[str, Any]:
    """All records, as they stand."""
    return {path: records.load(database.store.blob(blob)) for path, blob in listed(database.store).items()}


def expected(*tickets: Ticket, **others: Any) -> dict[str, Any]:
    found = {ticket_path(record[0]): record for record, _ in tickets}
    return found | {changelog_path(record[0]): rows for record, rows in tickets} | others


def known(recent: str, now: int = NOW) -> dict[str, Any]:
    """What db.json says after a sync with the plan of that moment."""
    return {"db.json": {"recent": recent, "settled": text(now - 60)}}


OLD = ticket(1, NOW - 9 * DAY, (NOW - 8 * DAY, "bob", "open"))
OTHER = ticket(2, NOW - 7 * DAY)


async def test_many_versions_of_one_ticket_can_be_ended(database: Database) -> None:
    """While the versions of a ticket with a very long past are made, a signal is heard."""
    kind = Tickets(cast(Tracker, TicketLogs()))
    many = ticket(1, NOW - DAY, *((NOW - DAY + n, "ann", f"s{n}") for n in range(1, 300)))
    with (
        closing(Spool(database.path / "spool.db")) as spool,
        database.store.importing() as writer,
        trio.CancelScope() as scope,
    ):
        put(spool, many)
        scope.cancel()
        await ready_versions(kind, next(spool.items("ticket")), None, writer)
    assert scope.cancelled_caught


def test_the_first_sync(database: Database) -> None:
    """Its root commit, dated at the first record, holds fields and reports; all is there in the end."""
    fields = {"field/version/1.json": {"name": "1"}, "report/1.json": {"sql": "x", "title": "y"}}
    sync(database, plan(fields, recent="2014-05-13T00:00:00"), OTHER, OLD)
    names = git(database.store, "rev-list", "--reverse", "main").split()
    assert set(listed(database.store, names[0])) == set(fields)
    assert log(database.store, "%an %at %ct")[0] == f"offtracfs {NOW - 9 * DAY} {NOW - 9 * DAY}"
    assert state(database) == expected(OLD, OTHER, **fields, **known("2014-05-13T00:00:00"))
    assert database.store.check() == []


def test_an_empty_tracker(database: Database) -> None:
    """A tracker without anything is known as such: it has been looked at."""
    assert sync(database, plan()) == 2
    assert state(database) == known(text(NOW))
    assert sync(database, plan(now=NOW + DAY)) == 0


def test_nothing_new(database: Database) -> None:
    """A sync that finds nothing new makes no commit."""
    sync(database, plan(), OLD)
    before = database.store.head()
    assert sync(database, plan(now=NOW + 1), OLD) == 0
    assert database.store.head() == before


class News:
    """What a second sync brings to a database with two tickets."""

    def __init__(self, database: Database) -> None:
        sync(database, plan(), OLD, OTHER)
        self.database = database
        self.before = git(database.store, "rev-parse", "main").strip()

    def says(self, form: str) -> list[str]:
        """What ``git log`` says of its commits, oldest first."""
        return log(self.database.store, form, f"{self.before}..main")

    def changed(self) -> list[set[str]]:
        """The files in each of its commits."""
        found = log_of(self.database.store, bytes.fromhex(self.before))
        return [{change.path for change in changes} for _, changes in found]


@pytest.fixture
def news(database: Database) -> News:
    """A database with two tickets."""
    return News(database)


def test_one_commit_a_change(news: News) -> None:
    """Each change is a commit by its author at its moment, all tickets merged in time order."""
    one = ticket(1, NOW - 9 * DAY, (NOW - 8 * DAY, "bob", "open"), (NOW + 30, "ann", "done"))
    two = ticket(2, NOW - 7 * DAY, (NOW + 10, "Zoë <z@example.org>", "open"), (NOW + 50, "", "lost"))
    new = ticket(3, NOW + 20, reporter="eve")
    assert sync(news.database, plan(now=NOW + 99), one, two, new) == 4
    assert news.says("%an|%at|%ct|%s") == [
        f"Zoë|{NOW + 10}|{NOW + 10}|#2 status: new → open",
        f"eve|{NOW + 20}|{NOW + 20}|#3 created: Ticket 3",
        f"ann|{NOW + 30}|{NOW + 30}|#1 status: open → done",
        f"unknown|{NOW + 50}|{NOW + 50}|#2 status: open → lost",
    ]
    assert news.says("%b")[0] == "Now open.\nSee #1.\n"
    assert state(news.database) == expected(one, two, new, **known(text(NOW + 99), NOW + 99))
    assert news.database.store.check() == []


def test_what_a_sync_has_seen_is_in_its_last_commit(news: News) -> None:
    """db.json changes in the last commit alone: half a sync never says that it is whole."""
    new = [ticket(number, NOW + number) for number in (3, 4, 5)]
    sync(news.database, plan({"report/1.json": {}}, now=NOW + 99), *new)
    changed = news.changed()
    assert ["db.json" in files for files in changed] == [False] * (len(changed) - 1) + [True]
    assert len(changed) == 4


def test_the_committers_clock_never_falls(news: News) -> None:
    """Late, early and future changes keep their authors' dates; git's own dates only rise, up to now."""
    late = ticket(3, NOW - 30 * DAY)
    future = ticket(4, 4_070_908_800)
    ancient = ticket(5, -2_145_916_800)
    sync(news.database, plan(now=NOW + 60, floor=NOW), late, future, ancient, ticket(6, NOW + 30))
    assert news.says("%at %ct") == [
        f"0 {NOW}",
        f"{NOW - 30 * DAY} {NOW}",
        f"{NOW + 30} {NOW + 30}",
        f"4070908800 {NOW + 60}",
    ]
    sync(news.database, plan(now=NOW - 5), ticket(7, NOW - 10))
    assert news.says("%at %ct")[-1] == f"{NOW - 10} {NOW + 60}"
    assert news.database.store.check() == []


def test_what_is_settled_stays(news: News) -> None:
    """No commit gets a date from before the moment up to which readers were told that all is known."""
    sync(news.database, plan(now=NOW + 60, floor=NOW + 40), ticket(3, NOW + 20), ticket(4, NOW + 50))
    assert news.says("%at %ct") == [f"{NOW + 20} {NOW + 40}", f"{NOW + 50} {NOW + 50}"]


def test_what_the_tracker_does_not_log(news: News) -> None:
    """Renamed values, deleted tickets and reports are one commit, when noticed, that says what it is."""
    renamed = ticket(2, NOW - 7 * DAY, component="ui")
    gone = dict.fromkeys(("ticket/1.json", "changelog/1.json"))
    assert sync(news.database, plan(gone | {"report/1.json": {}}, now=NOW + 60), renamed) == 1
    assert news.says("%an|%at|%ct") == [f"offtracfs|{NOW + 60}|{NOW + 60}"]
    (message,) = news.says("%B")
    assert message.startswith("Noticed: 4 records that changed unlogged\n\n#2 ")
    assert "\nticket/1.json is gone\n" in message
    assert "\nreport/1.json\n" in message
    assert state(news.database) == expected(
        renamed, **known(text(NOW + 60), NOW + 60), **{"report/1.json": {}}
    )


def test_one_thing_noticed(news: News) -> None:
    """Where it is a single record, the subject names it."""
    sync(news.database, plan({"report/1.json": {}}, now=NOW + 60))
    assert news.says("%B") == ["Noticed: report/1.json\n"]


def test_very_much_noticed(news: News) -> None:
    """A message stays readable however much there is to say, and says how much it leaves out."""
    found: dict[str, Any] = {f"report/{number}.json": {} for number in range(MAX_LISTED + 1_001)}
    sync(news.database, plan(found, now=NOW + 60))
    (message,) = news.says("%B")
    lines = message.splitlines()
    assert lines[0] == "Noticed: 1,051 records that changed unlogged"
    assert len(lines) == MAX_LISTED + 3
    assert lines[-1] == "and 1,001 more"
    assert len(news.changed()[0]) == MAX_LISTED + 1_002


@pytest.mark.parametrize(
    "changed",
    [
        ticket(1, NOW - 9 * DAY, (NOW - 8 * DAY, "bob", "open"), (NOW + 10, "bob", "done")),
        ticket(1, NOW - 9 * DAY, (NOW - 8 * DAY, "bob", "open"), component="renamed"),
    ],
)
def test_deleted_and_changed_at_once(news: News, changed: Ticket) -> None:
    """A ticket whose last change arrives in the sync that finds it deleted is gone after it."""
    gone = dict.fromkeys(("ticket/1.json", "changelog/1.json"))
    sync(news.database, plan(gone, now=NOW + 60), changed)
    assert state(news.database) == expected(OTHER, **known(text(NOW + 60), NOW + 60))


def test_any_text(news: News) -> None:
    """Authors, comments and values of any characters become commits that git can read."""
    odd = "a\0b\ud800\r\x1b[31m\u2028<é>\n"
    new = ticket(3, NOW + 5, (NOW + 10, odd, odd), reporter=odd, summary=odd)
    new[1][0][4] = odd
    sync(news.database, plan(now=NOW + 60), new)
    assert len(news.says("%H")) == 2
    assert all("\0" not in line and "\x1b" not in line for line in news.says("%s"))
    assert state(news.database)["ticket/3.json"] == new[0]
    assert state(news.database)["changelog/3.json"] == new[1]
    assert news.database.store.check() == []


def failing(after: int) -> Any:
    """A Writer's commit that is interrupted when it is called once more than that."""
    calls, real = iter(range(after)), Writer.commit

    def commit(writer: Writer, **options: Any) -> None:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        real(writer, **options)

    return commit


@pytest.mark.parametrize("first", [True, False])
def test_interrupted_and_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: bool) -> None:
    """Stopped at any commit the branch is as it was; done again it is the same, object for object."""
    heads = set()
    tickets = [
        ticket(number, NOW + number, (NOW + 10 + number, "bob", "open"), (NOW + 20 + number, "ann", "done"))
        for number in range(3, 7)
    ]
    for stop in (None, 0, 1) if first else (None, 0, 1, 5, 11):
        database = Database.create(tmp_path / str(stop), Settings("http://127.0.0.1:9/"))
        if not first:
            sync(database, plan(), OLD, OTHER)
        before, what = database.store.head(), plan(now=NOW + 60)
        with closing(Spool(database.path / "spool.db")) as spool:
            put(spool, *tickets)
        if stop is not None:
            with monkeypatch.context() as patch:
                patch.setattr(Writer, "commit", failing(stop))
                with pytest.raises(KeyboardInterrupt):
                    sync(database, what)
            assert database.store.head() == before
        sync(database, what)
        heads.add(database.store.head())
    assert len(heads) == 1
