"""The store when things go wrong: killed, full, damaged, missing, moved."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from offtracfs.errors import DatabaseDamaged, DatabaseError, DiskFull, NotADatabase
from offtracfs.store import Store, fastimport
from offtracfs.store import repository as module
from tests.helpers import append, fill, git, killed, listed, log_of, loosen, replace, small_disk

ONE, TWO = {"ticket/1.json": b"one"}, {"ticket/1.json": b"two", "db.json": b"{}"}


def files(store: Store) -> set[Path]:
    """All files in a store."""
    return {path.relative_to(store.path) for path in store.path.rglob("*") if path.is_file()}


def test_a_writer_that_fails_writes_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the block raises, the branch stays as it was, no file is left over, and the next one works."""
    monkeypatch.setattr(fastimport, "COMMITS_AN_IMPORT", 2)
    append(store, ONE)
    before, there = store.head(), files(store)

    def half() -> None:
        with store.writer() as writer:
            for number in range(3):
                changes = [("ticket/1.json", writer.blob(b"%d" % number * 10_000))]
                writer.commit(author="", authored=1, committed=1, message="", files=changes)
            raise KeyError

    with pytest.raises(KeyError):
        half()
    assert store.head() == before
    assert files(store) == there
    append(store, TWO)
    assert log_of(store)[0][0].id == before
    assert git(store, "for-each-ref", "--format=%(refname)") == "refs/heads/main\n"


def test_a_writer_without_commits(store: Store) -> None:
    """Nothing appended, nothing moved: a sync that finds nothing new makes no commit."""
    with store.writer() as writer:
        writer.blob(b"for nothing")
    assert store.head() is None
    append(store, ONE)
    before = store.head()
    with store.writer():
        pass
    assert store.head() == before


WRITE = """if True:
    import sys
    from pathlib import Path
    from offtracfs.store import Store
    with Store(Path(sys.argv[1])).writer() as writer:
        for number in range(100):
            files = [("ticket/1.json", writer.blob(b"%d" % number * 10_000))]
            writer.commit(author="", authored=1, committed=1, message="", files=files)
        print("ready", flush=True)
        input()
"""


def test_a_killed_writer_writes_nothing(store: Store) -> None:
    """A writer that is killed leaves the branch as it was, and the next one sweeps up and works."""
    append(store, ONE)
    before, there = store.head(), files(store)
    killed(WRITE, store.path)
    assert store.head() == before
    assert {path.parts[0][:18] for path in files(store) - there} == {"quarantine-writing"}
    append(store, TWO)
    assert len(log_of(store)) == 2
    assert not list(store.path.glob("quarantine-*"))
    assert store.check() == []


THEIRS = (
    "packed-refs.lock",
    "config.lock",
    "refs/heads/theirs.lock",
    "objects/info/commit-graph.lock",
    "objects/pack/multi-pack-index.lock",
    "objects/pack/tmp_pack_x",
    "objects/pack/.tmp-1-pack-x.pack",
    "objects/12/tmp_obj_x",
    "fast_import_crash_1",
)


def test_what_others_left_stays(store: Store) -> None:
    """What a user's git is at in the store is not ours: neither a writer nor maintenance touches it."""
    append(store, ONE)
    for name in THEIRS:
        (store.path / name).parent.mkdir(exist_ok=True)
        (store.path / name).touch()
        os.utime(store.path / name, (0, 0))
    append(store, TWO)
    assert store.maintain(packs=1)
    append(store, ONE)
    assert [name for name in THEIRS if not (store.path / name).exists()] == []


@pytest.mark.parametrize("name", ["HEAD.lock", "refs/heads/main.lock"])
def test_the_branchs_lock(store: Store, name: str) -> None:
    """A lock of the branch that another git has just taken is respected; an old one is a killed git's."""
    append(store, ONE)
    lock = store.path / name
    lock.touch()
    with pytest.raises(DatabaseError, match="File exists"):
        append(store, TWO)
    assert lock.exists()
    assert len(log_of(store)) == 1
    os.utime(lock, (lock.stat().st_mtime - 2 * module.STALE,) * 2)
    append(store, TWO)
    assert not lock.exists()
    assert len(log_of(store)) == 2


def test_a_git_that_outlives_its_writer(store: Store) -> None:
    """What a git whose starter was killed writes late goes nowhere, whoever has begun to write by then."""
    append(store, ONE)
    with store.importing() as old:
        old.blob(b"late" * 10_000)
        assert old._process is not None
        old._process.send_signal(signal.SIGSTOP)
        with store.writer() as writer:
            assert not old.path.exists()
            old._process.send_signal(signal.SIGCONT)
            old.abandon()
            writer.commit(author="", authored=1, committed=1, message="", files=[])
    assert len(log_of(store)) == 2
    assert store.check() == []
    assert not list(store.path.glob("quarantine-*"))


@pytest.mark.parametrize(
    "path",
    [
        "report/a\nb.json",
        "report/a\0b.json",
        "report/\udcff.json",
        '"report/1.json',
        "",
        "/report",
        "report//1.json",
        "report/",
        "./report",
        "report/../x",
        "..",
        ".git/config",
        "report/.GIT/x",
        "report/.git",
        "report/git~1",
        "report/.git. .",
        "report/.git:x",
        "a\\.git\\b",
        "report/.g\u200cit/x",
    ],
)
def test_a_path_that_git_cannot_have(store: Store, path: str) -> None:
    """A path that would spoil the stream to git, or that git refuses, is a sentence, and changes nothing."""
    append(store, ONE)
    before = store.head()
    with pytest.raises(DatabaseError, match=r"^git cannot keep a file called .*\.$"):
        append(store, {path: b"x"})
    assert store.head() == before


@pytest.mark.parametrize(
    "path", ["report/.github", "field/x/..json", "field/é\x07\t/a b.json", 'a/"b', "...", "git"]
)
def test_odd_paths(store: Store, path: str) -> None:
    """Every other path is kept as it is."""
    append(store, {path: b"x"})
    assert listed(store) == {path: log_of(store)[0][1][0].blob}
    assert store.check() == []


def test_a_full_disk(tmp_path: Path) -> None:
    """Where there is no room the error says so, nothing is lost, and with room again it works."""
    with small_disk(tmp_path / "disk") as disk:
        store = Store.create(disk / "git")
        append(store, ONE)
        before = store.head()
        hog = fill(disk)
        for revision in (TWO, {"ticket/2.json": bytes(range(256)) * 4096}):
            with pytest.raises(DiskFull, match=r"^The disk is full: .*\.$"):
                append(store, revision)
        assert store.head() == before
        assert store.blob(listed(store)["ticket/1.json"]) == b"one"
        hog.unlink()
        append(store, TWO)
        assert store.blob(listed(store)["ticket/1.json"]) == b"two"
        assert store.check() == []


def test_a_damaged_object(store: Store) -> None:
    """A damaged or missing object is named, by its reader and by check; all others can still be read."""
    append(store, *({f"ticket/{number}.json": b"%d" % number * 1000} for number in range(4)))
    blobs = listed(store)
    loosen(store)
    objects = store.path / "objects"
    damaged, missing = (blobs[f"ticket/{number}.json"] for number in (1, 2))
    replace(objects / damaged.hex()[:2] / damaged.hex()[2:], b"no object")
    (objects / missing.hex()[:2] / missing.hex()[2:]).unlink()
    for opened in (store, Store(store.path)):
        for blob in (damaged, missing):
            with pytest.raises(DatabaseDamaged, match=blob.hex()):
                opened.blob(blob)
            with pytest.raises(DatabaseDamaged, match=blob.hex()):
                opened.size(blob)
        assert opened.blob(blobs["ticket/3.json"]) == b"3" * 1000
    said = "\n".join(store.check())
    assert damaged.hex() in said
    assert missing.hex() in said


def test_a_blob_that_holds_something_else(store: Store) -> None:
    """An object whose contents are not what its name says is damage, not an answer, unless it is trusted."""
    append(store, {"ticket/1.json": b"one", "ticket/2.json": b"two"})
    one, two = (listed(store)[f"ticket/{number}.json"].hex() for number in (1, 2))
    loosen(store)
    objects = store.path / "objects"
    replace(objects / one[:2] / one[2:], (objects / two[:2] / two[2:]).read_bytes())
    with pytest.raises(DatabaseDamaged, match=one):
        Store(store.path).blob(bytes.fromhex(one))
    with store.trusted():
        assert Store(store.path).blob(bytes.fromhex(one)) == b"two"
    with pytest.raises(DatabaseDamaged, match=one):
        Store(store.path).blob(bytes.fromhex(one))


@pytest.mark.parametrize("kind", ["commit", "tree"])
def test_a_damaged_history(store: Store, kind: str) -> None:
    """Where a commit or a tree cannot be read the log says so instead of ending early."""
    append(store, ONE, TWO, ONE)
    name = git(store, "rev-parse", f"main~1^{{{kind}}}").strip()
    loosen(store)
    replace(store.path / "objects" / name[:2] / name[2:], b"no object")
    with pytest.raises(DatabaseDamaged, match=name):
        log_of(store)


def test_no_repository(tmp_path: Path) -> None:
    """A directory that holds no repository is no database, whatever stands there."""
    (tmp_path / "file").touch()
    for place in (tmp_path, tmp_path / "none", tmp_path / "file", tmp_path / "file/git"):
        with pytest.raises(NotADatabase, match="no usable git repository"):
            Store(place)
    (tmp_path / "git").touch()
    with pytest.raises(DatabaseError, match="git init failed"):
        Store.create(tmp_path / "git")


def test_no_objects(store: Store) -> None:
    """Where git's objects are out of reach, reading and writing say so and change nothing."""
    append(store, ONE)
    blob = listed(store)["ticket/1.json"]
    objects = store.path / "objects"
    objects.rename(store.path / "aside")
    with pytest.raises(NotADatabase):
        Store(store.path)
    with pytest.raises(DatabaseDamaged):
        log_of(store)
    with pytest.raises(DatabaseError):
        append(store, TWO)
    (store.path / "aside").rename(objects)
    assert store.blob(blob) == b"one"
    assert len(log_of(store)) == 1


def test_a_branch_that_is_no_branch(store: Store) -> None:
    """A branch that names no commit is damage; a branch that is not there is an empty store."""
    append(store, ONE)
    branch = store.path / "refs/heads/main"
    branch.write_text("garbage\n")
    for call in (store.head, lambda: log_of(store), lambda: append(store, TWO)):
        with pytest.raises(DatabaseDamaged):
            call()
    branch.write_text("1" * 40 + "\n")
    with pytest.raises(DatabaseDamaged):
        log_of(store)
    with pytest.raises(DatabaseError):
        append(store, TWO)
    branch.unlink()
    assert store.head() is None
    assert log_of(store) == []


def test_the_branch_moved_meanwhile(store: Store) -> None:
    """A branch that someone else has moved while a writer wrote is left as they made it."""
    append(store, ONE)

    def race() -> None:
        with store.writer() as writer:
            writer.commit(author="", authored=1, committed=1, message="", files=[])
            append(Store(store.path), TWO)

    with pytest.raises(DatabaseError):
        race()
    assert len(log_of(store)) == 2


def test_a_users_gc_during_maintenance(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a user's git repacks between listing and reading packs, maintenance leaves it at that."""
    for number in range(4):
        append(store, {"ticket/1.json": b"%d" % number})
    small = module._small

    def late(packs: list[Path]) -> list[Path]:
        git(store, "gc", "--quiet")
        return small(packs)

    monkeypatch.setattr(module, "_small", late)
    assert not store.maintain(packs=1)
    assert not list(store.path.glob("quarantine-*"))
    assert store.check() == []
    assert len(log_of(store)) == 4


def test_follows(store: Store) -> None:
    """A commit follows where it is on the branch, and not where it is elsewhere or nowhere."""
    append(store, ONE, TWO)
    first, second = (commit.id for commit, _ in log_of(store))
    assert store.follows(first)
    assert store.follows(second)
    git(store, "update-ref", "refs/heads/main", first.hex())
    assert not store.follows(second)
    assert not store.follows(b"1" * 20)


UNREADABLE = """if True:
    import os
    import sys
    from pathlib import Path
    from offtracfs.errors import DatabaseDamaged, NotADatabase
    from offtracfs.store import Store
    if os.getuid() == 0:  # whom no mode keeps out
        os.setgid(65534)
        os.setuid(65534)
    place, blob = Path(sys.argv[1]), bytes.fromhex(sys.argv[2])
    opened = Store(place)
    for part in ("objects/pack", "objects", "refs", "HEAD", "config"):
        (place / part).chmod(0)
        for call in (lambda: Store(place), opened.head, lambda: opened.blob(blob), lambda: opened.size(blob)):
            try:
                call()
            except (DatabaseDamaged, NotADatabase) as error:
                print(type(error).__name__)
        (place / part).chmod(0o700)
    assert opened.blob(blob) == b"one"
"""


def test_what_may_not_be_read(store: Store) -> None:
    """Files that this user may not open are damage to whoever needs them, and never a traceback."""
    append(store, ONE)
    blob = listed(store)["ticket/1.json"].hex()
    with TemporaryDirectory(dir="/var/tmp") as place:
        shutil.copytree(store.path, f"{place}/git")
        for path in (Path(place), *Path(place).rglob("*")):
            shutil.chown(path, *((65534, 65534) if os.getuid() == 0 else (os.getuid(), os.getgid())))
        command = [sys.executable, "-c", UNREADABLE, f"{place}/git", blob]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=os.environ | {"HOME": "/"}
        )
    assert done.returncode == 0, done.stderr
    assert "DatabaseDamaged" in done.stdout.split()
