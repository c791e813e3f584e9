"""`check`: each kind of damage is found and named, and nothing is found where nothing is wrong."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from offtracfs import index, records
from offtracfs.check import MAX_LISTED, check
from offtracfs.database import Database, State
from offtracfs.status import look
from tests.helpers import read_only, small_disk
from tests.mounting import SPRING, append, damage, new_database, ticket
from tests.program import offtracfs

TICKET = records.dump([1, "2011-04-09T21:16:07", "2011-04-09T21:16:07", {"summary": "x"}])
SOUND = {
    "db.json": records.dump({"recent": "2011-04-09T21:16:07"}),
    "fields.json": records.dump([{"name": "summary"}]),
    "ticket/1.json": TICKET,
    "changelog/1.json": records.dump([]),
    "report/1.json": records.dump({"sql": "SELECT 1", "title": "One"}),
    "field/component/a+b.json": records.dump({"name": "a b"}),
    "field/priority/major.json": records.dump("3"),
}


@pytest.fixture(scope="module")
def whole(demo_database: Database) -> Path:
    """The demo, in which all is well."""
    return demo_database.path


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of 500 revisions and 1,200 versions, in which all is well."""
    made = new_database(tmp_path_factory.mktemp("long") / "db")
    later = (
        (SPRING + n, ticket(1 + n % 50, summary=f"{n}") | ticket(51 + n % 50, summary=f"{n}"))
        for n in range(1, 500)
    )
    append(made, (SPRING, {**SOUND}), *later)
    return made.path


@pytest.fixture
def database(whole: Path, tmp_path: Path) -> Database:
    """A copy of the demo, to be damaged."""
    return Database(shutil.copytree(whole, tmp_path / "db", symlinks=True))


def small(tmp_path: Path, **files: bytes | None) -> Database:
    """A database of a few records, all sound but those given."""
    made = new_database(tmp_path / "db")
    append(
        made, (1_302_384_000, {path: data for path, data in {**SOUND, **files}.items() if data is not None})
    )
    return made


def changed(database: Database, statement: str) -> None:
    """Change the index behind everybody's back."""
    with sqlite3.connect(database.path / "index.db") as connection:
        assert connection.execute(statement).rowcount == 1
    connection.close()


def test_all_is_well(tmp_path: Path) -> None:
    """Nothing is found in a sound database, nor in an empty one; the process says so and ends with 0."""
    assert list(check(new_database(tmp_path / "empty"))) == []
    database = small(tmp_path)
    assert list(check(database)) == []
    done = offtracfs(tmp_path, "--db", "db", "check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "All is well: 1 ticket, 1 revision.\n", "")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE version SET size = size + 1 WHERE inode = 900",
        "UPDATE version SET mtime = mtime + 1 WHERE inode = 900",
        "UPDATE version SET blob = randomblob(20) WHERE inode = 900",
        "UPDATE version SET path = path + 1 WHERE inode = 900",
        "DELETE FROM version WHERE inode = 900",
        "UPDATE path SET name = '0.json' WHERE id = (SELECT path FROM version WHERE inode = 900)",
        "UPDATE revision SET committed = committed + 1 WHERE number = 450",
        "UPDATE revision SET authored = authored + 1 WHERE number = 450",
        "UPDATE revision SET horizon = horizon + 1 WHERE number = 450",
        'UPDATE revision SET "commit" = randomblob(20) WHERE number = 450',
        "DELETE FROM revision WHERE number = (SELECT max(number) FROM revision)",
        "DELETE FROM revision WHERE number = 450",
    ],
)
def test_index_that_differs(long: Path, tmp_path: Path, statement: str) -> None:
    """Whatever row of the index is not as git has it, of any time, is found; the remedy it names helps."""
    database = Database(shutil.copytree(long, tmp_path / "db", symlinks=True))
    changed(database, statement)
    found = next(check(database))
    assert re.match(r"The index (is not what git says, from|lags behind git)", found)
    for file in re.findall(r"`rm (.*)`", found):
        Path(file).unlink()
    with database.writing("a test"):
        database.catch_up()
    assert list(check(database)) == []


AT = "2011-04-09T21:16:07"


def tabled(tmp_path: Path) -> Database:
    """A database with rows in each of Trac's tables, some of which stand no more."""
    made, named = new_database(tmp_path / "db"), {"name": "a", "description": "d"}
    files: dict[str, bytes | None] = dict(SOUND)
    for number in (7, 8):
        props = {"summary": "x", "owner": "ann", "description": "long", "risk": "high"}
        files[f"ticket/{number}.json"] = records.dump([number, AT, AT, props])
        files[f"changelog/{number}.json"] = records.dump([[AT, "ann", "owner", "", "ann", 1]])
    files |= {f"field/{field}/a.json": records.dump(named) for field in ("component", "milestone", "version")}
    later: dict[str, bytes | None] = {"ticket/7.json": records.dump([7, AT, AT, {"summary": "y"}])}
    append(made, (1_302_384_000, files), (1_302_385_000, later))
    return made


OLD_7 = "UPDATE offtracfs_ticket SET {} WHERE id = 7 AND summary = 'x'"


@pytest.mark.parametrize(
    ("statement", "where"),
    [
        ("UPDATE offtracfs_ticket SET owner = 'WRONG'", "ticket at the rows of ticket/1.json"),
        (OLD_7.format("summary = NULL"), "ticket at the rows of ticket/7.json"),
        (OLD_7.format("changetime = changetime + 1"), "ticket at the rows of ticket/7.json"),
        (OLD_7.format("since = since - 1"), "ticket at the rows of ticket/7.json"),
        (OLD_7.format("until = until + 1"), "ticket at the rows of ticket/7.json"),
        (OLD_7.format("id = 8"), "ticket at the rows of ticket/7.json"),
        (OLD_7.format("id = 999999"), "ticket at the rows of ticket/7.json"),
        ("DELETE FROM offtracfs_ticket_change", "ticket_change at the rows of changelog/7.json"),
        (
            "DELETE FROM offtracfs_ticket_custom WHERE ticket = 8",
            "ticket_custom at the rows of ticket/8.json",
        ),
        ("DELETE FROM offtracfs_description WHERE ticket = 8", "description at the rows of ticket/8.json"),
        (
            "INSERT INTO offtracfs_description (ticket, description, since, until)"
            " SELECT ticket, description, since, until FROM offtracfs_description WHERE ticket = 8",
            "description at the rows of ticket/8.json",
        ),
        (
            "INSERT INTO offtracfs_ticket_change (ticket, time, field, oldvalue, newvalue, since, until)"
            " VALUES (7, 0, 'owner', 'a', 'b', 1, 2)",
            "ticket_change at the rows of changelog/7.json",
        ),
        (
            "INSERT INTO offtracfs_ticket (id, since, until) VALUES (999999, 1, 2)",
            "ticket, which has rows of no record",
        ),
        ("UPDATE offtracfs_enum SET value = value || '0'", "enum at the rows of field/priority/major.json"),
        ("UPDATE offtracfs_component SET owner = 'b'", "component at the rows of field/component/a+b.json"),
        ("UPDATE offtracfs_milestone SET completed = 1", "milestone at the rows of field/milestone/a.json"),
        ("UPDATE offtracfs_version SET path = 'field/version/b'", "version at the rows of field/version/a"),
        ('UPDATE offtracfs_report SET "query" = title', "report at the rows of report/1.json"),
    ],
)
def test_tables_that_differ(tmp_path: Path, statement: str, where: str) -> None:
    """A row of Trac's tables that is changed, missing, too many, or of other revisions, is found."""
    database = tabled(tmp_path)
    assert list(check(database)) == []
    with closing(sqlite3.connect(database.path / "index.db")) as connection, connection:
        assert connection.execute(statement).rowcount
    (found,) = check(database)
    said, remedy = re.fullmatch(
        r"The index is not what git says, in its table offtracfs_(.*): the next sync .* `rm (.*)`\.", found
    ).groups()  # type: ignore[union-attr]
    assert said.startswith(where)
    Path(remedy).unlink()
    with database.writing("a test"):
        database.catch_up()
    assert list(check(database)) == []


@pytest.mark.parametrize(
    ("statement", "where"),
    [
        ("UPDATE text_part SET size = size + 1", "at a version of "),
        ("DELETE FROM text_part WHERE inode IN (SELECT max(inode) FROM text_part)", "at a version of "),
        ("INSERT INTO text_part (inode, size) VALUES (999999, 1)", "which has rows of no record"),
    ],
)
def test_sizes_that_differ(tmp_path: Path, statement: str, where: str) -> None:
    """A text's size that is wrong, missing, or of nothing, is found."""
    database = tabled(tmp_path)
    with closing(sqlite3.connect(database.path / "index.db")) as connection, connection:
        assert connection.execute(statement).rowcount
    (found,) = check(database)
    assert re.search(rf"in its table text_part,? {where}", found)


def test_damaged_fields(tmp_path: Path) -> None:
    """Where git cannot read the labels of fields, only that is a fault: no size of a text is called wrong."""
    database = tabled(tmp_path)
    fields = records.dump([{"name": "summary"}, {"name": "owner", "label": "The keeper of it"}])
    record = records.dump([7, AT, AT, {"summary": "x", "owner": "ann"}])
    append(database, (1_302_386_000, {"fields.json": fields}), (1_302_387_000, {"ticket/7.json": record}))
    assert list(check(database)) == []
    damage(database, fields)
    assert "fields.json" in " ".join(check(database))
    assert "text_part" not in " ".join(check(database))


def test_a_sync_meanwhile(tmp_path: Path) -> None:
    """What a sync brings while a check is at work is no finding of that check."""
    database = tabled(tmp_path)
    came: list[int] = []

    def meanwhile(what: str, done: int, _total: int | None) -> None:
        if not came and what.startswith("index: "):
            came.append(done)
            later: dict[str, bytes | None] = {"ticket/8.json": records.dump([8, AT, AT, {"summary": "z"}])}
            append(database, (1_302_386_000, later))

    assert list(check(database, meanwhile)) == []
    assert came
    assert list(check(database)) == []


def test_tables_of_a_record_that_git_lost(tmp_path: Path) -> None:
    """Rows that an object gave before it was damaged are no fault of the index: what it knows is kept."""
    database = small(tmp_path)
    damage(database, TICKET)
    assert not any("index is not" in found for found in check(Database(database.path)))


def test_index_of_another_history(database: Database, tmp_path: Path) -> None:
    """An index that goes on where git ends is found."""
    other = small(tmp_path / "other")
    shutil.rmtree(database.path / "git")
    shutil.copytree(other.path / "git", database.path / "git")
    assert any("not what git says" in found for found in check(Database(database.path)))


def test_index_that_is_gone(database: Database) -> None:
    """A missing index is said, with the remedy."""
    (database.path / "index.db").unlink()
    assert list(check(database)) == ["There is no index: `offtracfs sync` builds it."]


def test_index_whose_pages_are_damaged(database: Database) -> None:
    """A page of rubbish in the index is found, and the index is left for its owner to remove."""
    with (database.path / "index.db").open("r+b") as file:
        file.seek(2 * 4096)
        file.write(os.urandom(4096))
    files = sorted(database.path.iterdir())
    assert re.match("The index (is damaged|cannot be used)", next(check(database)))
    look(database)
    assert sorted(database.path.iterdir()) == files


def test_index_that_is_none(database: Database) -> None:
    """A file that is no index at all is found."""
    (database.path / "index.db").write_bytes(b"no index" * 1000)
    assert re.match("The index cannot be used", next(check(database)))


def test_branch_that_is_gone(database: Database) -> None:
    """Where git has lost its branch, the remedy that is named brings it back, and spares the index."""
    (branch,) = (database.path / "git").glob("refs/heads/*")
    branch.unlink()
    found = list(check(Database(database.path)))
    assert "rm " not in "".join(found)
    (remedy,) = (match[1] for line in found if (match := re.match("Git's branch is gone: `(.*)`", line)))
    subprocess.run(shlex.split(remedy), check=True)
    assert list(check(Database(database.path))) == []


def test_branch_and_index_that_are_gone(database: Database) -> None:
    """Where nobody knows the last commit any more, the remedy that is named still brings everything back."""
    (branch,) = (database.path / "git").glob("refs/heads/*")
    branch.unlink()
    (database.path / "index.db").unlink()
    database.save(State(succeeded="2011-04-09T21:16:07"))
    (found,) = check(Database(database.path))
    look_for, bring_back = (shlex.split(command) for command in re.findall("`(git .*?)`", found))
    said = subprocess.run(look_for, check=True, capture_output=True, text=True).stdout
    (commit,) = re.findall("dangling commit (.*)", said)
    subprocess.run([*bring_back[:-1], commit], check=True)
    with database.writing("a test"):
        database.catch_up()
    assert list(check(database)) == []


def test_nothing_synced_yet(tmp_path: Path) -> None:
    """An index that was made by a sync which then failed is nothing to complain of."""
    database = new_database(tmp_path / "db")
    with database.writing("a test"):
        database.catch_up()
    assert list(check(database)) == []


def test_index_behind(database: Database) -> None:
    """An index that lags is found, unless a process is at work that will bring it up."""
    with database.writing("a test"), database.store.writer() as writer:
        empty = writer.blob(records.dump([]))
        writer.commit(
            author="",
            authored=1_700_000_000,
            committed=1_700_000_000,
            message="",
            files=[("changelog/1.json", empty)],
        )
    assert list(check(database)) == ["The index lags behind git: the next sync will catch up."]
    with database.writing("a test"):
        assert list(check(database)) == []


def test_damaged_object(tmp_path: Path) -> None:
    """A damaged git object is named, and so is each file, of then or now, that cannot be read without it."""
    database = small(tmp_path)
    append(database, (1_400_000_000, {"ticket/1.json": records.dump([1, *records.load(TICKET)[1:3], {}])}))
    damage(database, TICKET)
    found = list(check(Database(database.path)))
    (ours,) = (line for line in found if not line.startswith("git fsck: "))
    assert re.fullmatch(
        r"The git object [0-9a-f]{40} is damaged: ticket/1\.json as of 2011-04-09T21:19:55Z cannot be read\.",
        ours,
    )
    assert len(found) > 1


def test_damaged_object_of_the_present(tmp_path: Path) -> None:
    """Where the present needs a damaged object, the rest is still looked at, and the process ends with 1."""
    database = small(tmp_path, **{"report/1.json": b"{}\n"})
    damage(database, TICKET)
    done = offtracfs(tmp_path, "--db", "db", "check")
    assert done.returncode == 1
    assert re.search(r"^ticket/1\.json: The git object \w+ cannot be read", done.stdout, re.MULTILINE)
    assert re.search(r"^report/1\.json: it does not have the shape", done.stdout, re.MULTILINE)
    assert "All is well" not in done.stdout


def test_history_that_is_gone(database: Database) -> None:
    """Without its objects nothing is well, and the list has an end."""
    for file in (database.path / "git" / "objects" / "pack").iterdir():
        file.unlink()
    found = list(check(Database(database.path)))
    assert any(line.startswith("git fsck: ") for line in found)
    assert any(line.startswith("git rev-list failed") for line in found)
    assert re.fullmatch(r"And \d+ more like these\.", found[-1])
    assert len(found) < 3 * MAX_LISTED


@pytest.mark.parametrize(
    ("path", "data", "says"),
    [
        ("ticket/1.json", b"[1]\n", "does not have the shape [id, created, changed, props]"),
        ("ticket/2.json", TICKET, "answered with ticket 1"),
        ("ticket/one.json", TICKET, "shape of what is kept in that place"),
        ("ticket/1.json", b"nonsense\n", "is not JSON"),
        ("ticket/1.json", TICKET + b"\n", "its bytes are not those"),
        ("ticket/1.json", TICKET.replace(b"2011-04-09", b"yesterday"), "has a time that cannot be read"),
        ("changelog/1.json", None, "it has no change log"),
        ("ticket/1.json", None, "there is no such ticket"),
        ("changelog/1.json", b"{}\n", "is not a list"),
        ("changelog/1.json", records.dump([["now"]]), "has a row that is not"),
        ("report/1.json", records.dump({"title": "x"}), "shape of what is kept in that place"),
        ("report/x.json", SOUND["report/1.json"], "shape of what is kept in that place"),
        ("field/component/c.json", records.dump({"name": "d"}), "its name is 'd'"),
        ("field/component/c.json", records.dump([]), "shape of what is kept in that place"),
        ("db.json", records.dump([]), "shape of what is kept in that place"),
        ("db.json", records.dump({"recent": "", "settled": "x"}), "a time that cannot be read"),
        ("db.json", records.dump({"recent": "", "settled": 5}), "shape of what is kept in that place"),
        ("fields.json", records.dump({}), "shape of what is kept in that place"),
        ("other.json", records.dump({}), "shape of what is kept in that place"),
    ],
)
def test_record_that_is_wrong(tmp_path: Path, path: str, data: bytes | None, says: str) -> None:
    """A record that does not have the shape, the name or the bytes of its place is found, by its path."""
    database = small(tmp_path, **{path: data})
    found = [line for line in check(database) if says in line]
    assert len(found) == 1
    known = path if data else {"ticket/1.json": "changelog/1.json", "changelog/1.json": "ticket/1.json"}[path]
    assert found[0].startswith(f"{known}: ")


def test_hostile_record(tmp_path: Path) -> None:
    """What a record holds cannot command a terminal."""
    small(tmp_path, **{"field/component/c.json": records.dump({"name": "\x1b[2J\u202e"})})
    said = offtracfs(tmp_path, "--db", "db", "check").stdout
    assert said.startswith("field/component/c.json: ")
    assert said.removesuffix("\n").isprintable()


def test_on_a_read_only_disk(tmp_path: Path) -> None:
    """Where nobody can write all can be checked and told; what has to write says so in one sentence."""
    with small_disk(tmp_path / "disk", "4m") as disk:
        small(disk)
        index.catch_up(disk / "db", Database(disk / "db").store)
        read_only(disk)
        database = Database(disk / "db")
        assert list(check(database)) == []
        assert index.inspect(database.path, database.store).behind == 0
        done = offtracfs(tmp_path, "--db", disk / "db", "index", "rebuild")
        assert (done.returncode, done.stderr) == (
            74,
            f"offtracfs: {disk}/db/lock could not be written: Read-only file system.\n",
        )
