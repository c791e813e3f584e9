"""Drafts: what is saved of a ticket, what is refused, and what a mount shows of it."""

from __future__ import annotations

import errno
import shutil
import sys
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio

from offtracfs.check import check
from offtracfs.database import Database
from offtracfs.drafts import Drafts
from offtracfs.drafts.rows import FILE
from offtracfs.errors import DiskFull, DraftRefused, UsageError
from tests.drafting import as_json, as_text, drafts_of, record, refusal
from tests.helpers import fill, killed, one_sentence, small_disk
from tests.standin import StandInTrac
from tests.syncing import new_database, synced

SPRING = datetime(2019, 4, 9, 21, 16, 7, 123456, tzinfo=UTC)
JSON, TEXT = "ticket/1.json", "text/1.txt"


@pytest.fixture(scope="module")
def synced_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[StandInTrac, Path]:
    """A Trac with two tickets, the first one with a description, a cc and a comment; and its database."""
    trac = StandInTrac()
    words = "Since Monday.\n\nPoints stick\nwhen it rains."
    trac.create("Points stick", SPRING, author="fitter", owner="carol", cc="ann, bob", description=words)
    trac.create("Signal dark", SPRING, owner="dora")
    trac.change(1, SPRING + timedelta(days=1), "fitter", "Oiled.\n==== not a mark", keywords="rain")
    made = new_database(tmp_path_factory.mktemp("drafts") / "db", trac)
    trio.run(synced, made, trac)
    return trac, made.path


@pytest.fixture
def site(synced_once: tuple[StandInTrac, Path]) -> StandInTrac:
    """That Trac, to change."""
    return deepcopy(synced_once[0])


@pytest.fixture
def database(tmp_path: Path, synced_once: tuple[StandInTrac, Path]) -> Database:
    """That database, to change."""
    return Database(Path(shutil.copytree(synced_once[1], tmp_path / "db", symlinks=True)))


@pytest.fixture
def drafts(database: Database) -> Iterator[Drafts]:
    """Its drafts."""
    with drafts_of(database) as found:
        yield found


async def test_a_saved_record_is_shown_as_it_was_saved(database: Database, drafts: Drafts) -> None:
    """The bytes, a number of its own and the save's time are there until something moves, also reopened."""
    data = as_json(database, 1, owner="bob")
    saved = drafts.save(JSON, data)
    assert saved
    assert saved.fields == {"owner": "bob"}
    shown = drafts.shown(JSON)
    assert shown
    assert shown.data == data
    assert shown.mtime == saved.saved // 1_000_000
    assert drafts.names() == [JSON, TEXT]
    assert drafts.shown("ticket/2.json") is None
    text = drafts.shown(TEXT)
    assert text
    assert text.data.decode() == as_text(database, 1).replace("Owner:      carol", "Owner:      bob")
    assert text.number != shown.number
    with drafts_of(Database(database.path)) as again:
        assert again.shown(JSON) == shown
        assert again.shown(TEXT) == text
        assert again.shown_as(shown.number) == shown


async def test_each_save_has_numbers_of_its_own(database: Database, drafts: Drafts) -> None:
    """No number is ever used for other bytes, and the same bytes saved again make no new draft."""
    numbers = set()
    for owner in ("bob", "eve", "bob"):
        drafts.save(JSON, as_json(database, 1, owner=owner))
        shown = [drafts.shown(path) for path in (JSON, TEXT)]
        numbers |= {one.number for one in shown if one}
    assert len(numbers) == 6
    before = drafts.version
    drafts.save(JSON, as_json(database, 1, owner="bob"))
    assert drafts.version == before


async def test_a_saved_text_is_read_back(database: Database, drafts: Drafts) -> None:
    """Fields, description and a comment below a mark, above the log or at the end, become a draft."""
    text = as_text(database, 1).replace("Owner:      carol", "Owner:      bob")
    text = text.replace("when it rains.", "when it rains.\n==== Details ====\nAll of them.")
    saved = drafts.save(TEXT, f"{text}\n==== Comment\nI shall look.\n\n==== Plan ====\nOil.\n".encode())
    assert saved
    assert saved.fields == {
        "owner": "bob",
        "description": "Since Monday.\n\nPoints stick\nwhen it rains.\n==== Details ====\nAll of them.",
    }
    assert saved.comment == "I shall look.\n\n==== Plan ====\nOil."
    shown = drafts.shown(JSON)
    assert shown
    with drafts_of(database) as other:
        again = other.save(JSON, shown.data)
        assert again
        assert (again.fields, again.comment) == (saved.fields, saved.comment)


async def test_what_a_mount_shows_of_a_draft_can_be_saved_again(database: Database, drafts: Drafts) -> None:
    """Either form of a draft, as it is shown, says the same as the draft."""
    data = as_json(
        database,
        1,
        owner="bob",
        comment="Hm.\n==== 2011-01-01 00:00:00 x\n\\==== y",
        description="a\r\nb\r\n---- c",
    )
    saved = drafts.save(JSON, data)
    assert saved
    for path in (TEXT, JSON, TEXT):
        shown = drafts.shown(path)
        assert shown
        again = drafts.save(path, shown.data)
        assert again
        assert (again.fields, again.comment) == (saved.fields, saved.comment)


async def test_a_save_that_changes_nothing_is_no_draft(database: Database, drafts: Drafts) -> None:
    """What is as the tracker has it gives None, and takes back a draft, which can be had again."""
    assert drafts.save(JSON, as_json(database, 1)) is None
    assert drafts.save(TEXT, as_text(database, 1).encode()) is None
    drafts.save(JSON, as_json(database, 1, owner="bob"))
    assert drafts.save(TEXT, as_text(database, 1).encode()) is None
    assert drafts.shown(JSON) is None
    assert drafts.undo("1").fields == {"owner": "bob"}
    shown = drafts.shown(JSON)
    assert shown
    assert b'"owner":"bob"' in shown.data


async def test_an_absent_key_changes_nothing(database: Database, drafts: Drafts) -> None:
    """A key or a line that is missing is left alone; an empty text clears the field."""
    assert drafts.save(JSON, as_json(database, 1, owner=None, description=None, cc=None)) is None
    text = as_text(database, 1).replace("Owner:      carol\n", "")
    assert drafts.save(TEXT, text.encode()) is None
    saved = drafts.save(TEXT, as_text(database, 1).replace("Owner:      carol", "Owner:").encode())
    assert saved
    assert saved.fields == {"owner": ""}


REFUSED = {
    "is no field": (lambda text: text.replace("Owner:", "Owner")),
    "There is no field 'Owned'": (lambda text: text.replace("Owner:", "Owned:")),
    "There is no field 'cut here'": (lambda text: text.replace("when it rains.", "---- cut here")),
    "cannot be 'huge'": (lambda text: text.replace("major", "huge")),
    "text of ticket 2": (lambda text: text.replace("#1 ", "#2 ")),
    "text of a new ticket": (lambda text: text.replace("#1 ", "#new ")),
    "No version of ticket 1 is known": (lambda text: text.replace("Modified:   2019", "Modified:   2018")),
    "closed with a resolution": (lambda text: text.replace("Status:     new", "Status:     closed")),
    "Only a closed ticket": (lambda text: text.replace("Owner:", "Resolution: fixed\nOwner:")),
    "needs a summary": (lambda text: text.replace("#1 Points stick", "#1")),
    "262,144": (lambda text: text + "\n==== Comment\n" + "x" * 262_145),
    "none of the change log": (lambda text: text.replace("    Oiled.", "    Oiled. Really?")),
    "There is a conflict": (lambda text: text + "\n==== Conflict: Owner: …\n"),
    "file is empty": (lambda _: ""),
    "is empty: a": (lambda _: " \n\0\0\0"),
    "NUL": (lambda text: text + "\0\0"),
    "is set by the tracker": (
        lambda text: text.replace("Modified: ", "changetime: 2019-01-01T00:00:00\nModified: ")
    ),
}


@pytest.mark.parametrize("sentence", REFUSED)
async def test_a_text_that_is_refused_is_kept(database: Database, drafts: Drafts, sentence: str) -> None:
    """It is refused with EINVAL and one sentence, which stays readable; text and older draft stay."""
    drafts.save(JSON, as_json(database, 1, priority="minor"))
    before = drafts.shown(TEXT)
    data = REFUSED[sentence](as_text(database, 1)).encode()  # type: ignore[no-untyped-call]
    with pytest.raises(DraftRefused, match=sentence) as caught:
        drafts.save(TEXT, data)
    assert caught.value.errno == errno.EINVAL
    assert one_sentence(caught.value)
    assert refusal(drafts, JSON) == str(caught.value)
    last = drafts.store.last_saved("1")
    assert last
    assert last.raw == data
    assert drafts.shown(TEXT) == before
    drafts.save(JSON, as_json(database, 1, priority="trivial"))
    assert drafts.refusal(TEXT) is None


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b'[1, "x"', "not JSON"),
        (b'"x"', "shape"),
        (b"\xff\xfe", "UTF-8"),
        (b'[1, "2019-04-10T21:16:07.123456", "2019-04-10T21:16:07.123456", {"owner": ["x"]}]', "no text"),
        (b'[1, "", "", {"owner": "x"}]', "No version"),
        (b"[[" * 100_000, "not JSON"),
    ],
)
async def test_a_record_that_is_refused(
    database: Database, drafts: Drafts, data: bytes, sentence: str
) -> None:
    """What is no record of that ticket is refused with one sentence."""
    with pytest.raises(DraftRefused, match=sentence) as caught:
        drafts.save(JSON, data)
    assert one_sentence(caught.value)


async def test_a_refused_save_leaves_the_reason_when_the_backup_comes_back(
    database: Database, drafts: Drafts
) -> None:
    """Vim renames its backup over the ticket after a refused close: the reason can still be read."""
    with pytest.raises(DraftRefused):
        drafts.save(JSON, as_json(database, 1, priority="huge"))
    assert drafts.save(JSON, as_json(database, 1)) is None
    assert "huge" in refusal(drafts, JSON)


async def test_an_editor_that_was_open_during_a_sync(
    database: Database, site: StandInTrac, drafts: Drafts
) -> None:
    """What somebody else changed meanwhile is kept, and what both changed is a conflict in the file."""
    text = as_text(database, 1)
    site.change(
        1, SPRING + timedelta(days=2), "eve", "Mine.", owner="eve", priority="minor", cc="ann, bob, eve"
    )
    await synced(database, site)
    saved = drafts.save(TEXT, text.replace("carol", "dora").replace("ann, bob", "bob").encode())
    assert saved
    shown = drafts.shown(TEXT)
    assert shown
    words = shown.data.decode()
    assert "Priority:   minor" in words
    assert "Cc:         bob, eve" in words
    assert "Owner:      eve" in words
    mark = "==== Conflict: Owner: the tracker has eve, yours is dora (take this line away)\n"
    assert mark in words
    with pytest.raises(DraftRefused, match="conflict"):
        drafts.save(TEXT, words.replace("eve\n", "dora\n", 1).encode())
    resolved = drafts.save(
        TEXT, words.replace(mark, "").replace("Owner:      eve", "Owner:      dora").encode()
    )
    assert resolved
    assert resolved.fields == {"owner": "dora", "cc": "bob, eve"}
    assert record(database, 1)[3]["_ts"] == resolved.base[3]["_ts"]


async def test_long_texts_are_merged_by_lines(database: Database, site: StandInTrac, drafts: Drafts) -> None:
    """Lines that one side changed are taken; where both did, git's marks are in the text until they go."""
    data = as_json(database, 1, description="Since Tuesday.\n\nPoints stick\nwhen it rains.")
    drafts.save(JSON, data)
    other = "Since Monday.\n\nPoints stick\nwhen it snows."
    site.change(1, SPRING + timedelta(days=2), "eve", "", description=other)
    await synced(database, site)
    shown = drafts.shown(TEXT)
    assert shown
    assert "Since Tuesday.\n\nPoints stick\nwhen it snows.\n" in shown.data.decode()
    other = "Since Friday.\n\nPoints stick\nwhen it snows."
    site.change(1, SPRING + timedelta(days=3), "eve", "", description=other)
    await synced(database, site)
    again = drafts.shown(TEXT)
    assert again
    words = again.data.decode()
    assert "<<<<<<< yours\nSince Tuesday.\n=======\nSince Friday.\n>>>>>>> tracker\n" in words
    words = "".join(line for line in words.splitlines(True) if not line.startswith("==== Conflict"))
    with pytest.raises(DraftRefused, match="both sides"):
        drafts.save(TEXT, words.encode())
    words = words.replace("<<<<<<< yours\n", "").replace("=======\nSince Friday.\n>>>>>>> tracker\n", "")
    saved = drafts.save(TEXT, words.encode())
    assert saved
    assert saved.fields == {"description": "Since Tuesday.\n\nPoints stick\nwhen it snows."}


async def test_the_numbers_follow_what_is_shown(
    database: Database, site: StandInTrac, drafts: Drafts
) -> None:
    """When a sync moves the ticket the draft gets another number, and the old one holds what it held."""
    drafts.save(JSON, as_json(database, 1, owner="bob"))
    first = drafts.shown(JSON)
    site.change(1, SPRING + timedelta(days=2), "eve", "", priority="minor")
    await synced(database, site)
    second = drafts.shown(JSON)
    assert first
    assert second
    assert first.number != second.number
    assert b'"priority":"minor"' in second.data
    assert b'"owner":"bob"' in second.data
    assert drafts.shown_as(first.number) == first


async def test_a_new_ticket_is_one_draft(database: Database, drafts: Drafts) -> None:
    """Its template is no draft; each save replaces the one before; both forms say the same."""
    path = "text/new-crossing.txt"
    template = drafts.template("txt").decode()
    assert drafts.save(path, template.encode()) is None
    with pytest.raises(DraftRefused, match="needs a summary"):
        drafts.save(path, template.replace("Owner:", "Owner: bob").encode())
    text = template.replace("#new", "#new Crossing dark").replace("Owner:", "Owner: bob")
    drafts.save(path, text.encode())
    saved = drafts.save(path, f"{text}Not a light is on.\n".encode())
    assert saved
    assert saved.number is None
    assert saved.fields["summary"] == "Crossing dark"
    assert saved.fields["owner"] == "bob"
    assert saved.fields["description"] == "Not a light is on."
    assert drafts.names() == ["ticket/new-crossing.json", "text/new-crossing.txt"]
    shown = drafts.shown("ticket/new-crossing.json")
    assert shown
    again = drafts.save("ticket/new-crossing.json", shown.data)
    assert again
    assert again.fields == saved.fields


async def test_what_is_discarded_comes_back(database: Database, drafts: Drafts) -> None:
    """A draft that was taken back is shown no more, until that is undone."""
    drafts.save(JSON, as_json(database, 1, owner="bob"))
    shown = drafts.shown(JSON)
    drafts.discard("1")
    assert drafts.shown(JSON) is None
    assert drafts.names() == []
    with pytest.raises(UsageError):
        drafts.discard("1")
    drafts.undo("1")
    assert drafts.shown(JSON) == shown


async def test_changes_of_another_process_are_noticed(database: Database, drafts: Drafts) -> None:
    """The version grows with every change, whoever made it, and what is shown follows."""
    before = drafts.version
    code = """
import sys
from pathlib import Path
from offtracfs.database import Database
from offtracfs.drafts import opened
with opened(Database(Path(sys.argv[1]))) as drafts:
    drafts.change("1", {"owner": "zoe"}, "From afar.", "")
"""
    await trio.run_process([sys.executable, "-c", code, database.path])
    assert drafts.version > before
    shown = drafts.shown(TEXT)
    assert shown
    assert "==== Comment\nFrom afar.\n" in shown.data.decode()
    before = drafts.version
    drafts.change("1", {}, "And once more.", "")
    assert drafts.version > before
    draft = drafts.standing()["1"]
    assert (draft.fields, draft.comment) == ({"owner": "zoe"}, "From afar.\n\nAnd once more.")
    journal = database.path / f"{FILE}-journal"
    assert not journal.exists() or not journal.stat().st_size  # so a copy of the one file is a backup


async def test_a_new_ticket_takes_no_comment(drafts: Drafts) -> None:
    """There is nothing yet to comment on: it is refused before it can be lost."""
    text = drafts.template("txt").decode().replace("#new", "#new Crossing dark")
    with pytest.raises(DraftRefused, match="no comments yet"):
        drafts.save("text/new-x.txt", f"{text}\n==== Comment\nHm.\n".encode())


async def test_a_custom_field(database: Database, site: StandInTrac, drafts: Drafts) -> None:
    """A time must be one, a checkbox 0 or 1, and a text stay on its line."""
    site.definitions = [
        {"name": "due", "type": "time", "label": "Due", "custom": True},
        {"name": "urgent", "type": "checkbox", "label": "Urgent", "custom": True},
    ]
    await synced(database, site, full=True)
    saved = drafts.save(JSON, as_json(database, 1, due="2019-05-01T00:00:00", urgent="1"))
    assert saved
    assert saved.fields == {"due": "2019-05-01T00:00:00", "urgent": "1"}
    for values, sentence in (
        ({"due": "soon"}, "Due is no time"),
        ({"urgent": "yes"}, "Urgent cannot be 'yes'"),
        ({"keywords": "a\nb"}, "Keywords is longer than a line"),
    ):
        with pytest.raises(DraftRefused, match=sentence):
            drafts.save(JSON, as_json(database, 1, **values))


async def test_drafts_survive_what_can_be_made_again(
    database: Database, site: StandInTrac, tmp_path: Path
) -> None:
    """The index is built anew, and git put back from an older copy: drafts and their numbers stay."""
    copy = shutil.copytree(database.path / "git", tmp_path / "copy")
    site.change(1, SPRING + timedelta(days=2), "eve", "", priority="minor")
    await synced(database, site)
    with drafts_of(database) as drafts:
        drafts.save(JSON, as_json(database, 1, owner="bob", comment="Hm."))
        before = drafts.shown(JSON)
    with database.writing("test"):
        database.rebuild()
    with drafts_of(database) as drafts:
        assert drafts.shown(JSON) == before
    shutil.rmtree(database.path / "git")
    shutil.copytree(copy, database.path / "git")
    with database.writing("test"):
        database.rebuild()
    with drafts_of(Database(database.path)) as drafts:
        shown = drafts.shown(JSON)
        assert shown
        assert b'"owner":"bob"' in shown.data
        assert b'"comment":"Hm."' in shown.data
        assert drafts.save(JSON, before.data if before else b"")  # the version that it was made from is known


def test_a_full_disk_loses_no_draft(database: Database, tmp_path: Path) -> None:
    """A save that finds no room is an error, and what was saved before is whole."""
    with small_disk(tmp_path / "disk", "8m") as disk:
        home = Database(Path(shutil.copytree(database.path, disk / "db", symlinks=True)))
        with drafts_of(home) as drafts:
            drafts.save(JSON, as_json(home, 1, owner="bob", comment="Kept."))
            hog = fill(disk)
            with pytest.raises(DiskFull) as caught:
                drafts.save(JSON, as_json(home, 1, owner="eve", comment="x" * 100_000))
            assert one_sentence(caught.value)
            assert drafts.standing()["1"].comment == "Kept."
            hog.unlink()
            assert drafts.save(JSON, as_json(home, 1, owner="eve", comment="Fits."))
        assert not list(check(home))


KILLED = """
import os, sys
from pathlib import Path
from offtracfs.database import Database
from offtracfs.drafts import opened
from offtracfs.drafts.store import DraftStore
inner = DraftStore._event
def killed(*arguments):
    inner(*arguments)
    print('ready', flush=True)
    input()
DraftStore._event = killed
with opened(Database(Path(sys.argv[1]))) as drafts:
    drafts.change("1", {"owner": "zoe"}, "Half.", "")
"""


def test_a_save_that_is_killed_leaves_all_or_nothing(database: Database) -> None:
    """Killed within the transaction: the draft before it stands, and the next save works."""
    with drafts_of(database) as drafts:
        drafts.change("1", {}, "Whole.", "")
    killed(KILLED, database.path)
    with drafts_of(database) as drafts:
        assert drafts.standing()["1"].comment == "Whole."
        drafts.change("1", {}, "More.", "")
        assert drafts.standing()["1"].comment == "Whole.\n\nMore."
    assert not list(check(database))
