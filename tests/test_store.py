"""The store, held against the git command line."""

from __future__ import annotations

import subprocess
import threading
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given

from offtracfs.errors import DatabaseError
from offtracfs.store import Store, fastimport
from tests.helpers import Files, append, commits, few, git, listed, log_of, replace

ONE, TWO = {"ticket/1.json": b"one"}, {"ticket/1.json": b"two", "db.json": b"{}"}


def fsck(store: Store) -> str:
    return git(store, "fsck", "--strict", "--full", "--no-dangling")


@few
@given(revisions=commits)
def test_git_shows_what_was_appended(
    tmp_path_factory: pytest.TempPathFactory, revisions: list[Files]
) -> None:
    """After any commits every state is in git, the log leads from each to the next, and fsck is content."""
    store = Store.create(tmp_path_factory.mktemp("store") / "git")
    append(store, *revisions)
    names = git(store, "rev-list", "--reverse", "main").split()
    log = log_of(store)
    assert [commit.id.hex() for commit, _ in log] == names
    state: dict[str, bytes] = {}
    standing: dict[str, bytes] = {}
    for files, name, (commit, changes) in zip(revisions, names, log, strict=True):
        state = {path: data for path, data in (state | files).items() if data is not None}  # type: ignore[operator]
        assert len({change.path for change in changes}) == len(changes)
        for change in changes:
            assert standing.get(change.path) != change.blob
            standing[change.path] = change.blob or b""
        standing = {path: blob for path, blob in standing.items() if blob}
        assert standing == listed(store, name)
        assert {path: store.blob(blob) for path, blob in standing.items()} == state
        assert {path: store.size(blob) for path, blob in standing.items()} == {
            path: len(data) for path, data in state.items()
        }
        assert (commit.authored, commit.committed) == (commit.committed - 7, commit.committed)
    assert log_of(store, log[0][0].id) == log[1:]
    assert store.head() == log[-1][0].id
    assert fsck(store) == ""
    assert store.check() == []


AUTHORS = [
    ("bob", "bob <>"),
    ("Bob Roe <bob@example.org>", "Bob Roe <bob@example.org>"),
    ("<bob@example.org>", "bob@example.org <bob@example.org>"),
    ("bob@example.org", "bob@example.org <>"),
    ("", "unknown <>"),
    (" \t", "unknown <>"),
    ("<>", "unknown <>"),
    ("><", "unknown <>"),
    ("<Name>", "Name <Name>"),
    ("a <b> c", "a b c <>"),
    ("a <b <c>", "a b c <>"),
    ("bob\nauthor eve <> 1 +0000", "bob author eve 1 +0000 <>"),
    ("bob\0eve", "bob eve <>"),
    ("\ud800", "? <>"),
    ("Zoë 😀", "Zoë 😀 <>"),
    (".", ". <>"),
    (",", ", <>"),
    ("'", "' <>"),
    ("x" * 3000, "x" * 3000 + " <>"),
]


def test_authors(store: Store) -> None:
    """Whatever a tracker calls its people, they are told apart in git, and fsck is content."""
    with store.writer() as writer:
        for author, _ in AUTHORS:
            writer.commit(author=author, authored=1, committed=2, message="", files=[])
    log = git(store, "log", "--reverse", "--format=raw").splitlines()
    found = [line.removeprefix("author ") for line in log if line.startswith("author ")]
    assert found == [f"{expected} 1 +0000" for _, expected in AUTHORS]
    assert git(store, "log", "--format=%cn <%ce> %ct").splitlines() == ["offtracfs <> 2"] * len(AUTHORS)
    assert fsck(store) == ""


def test_dates_and_messages(store: Store) -> None:
    """Dates from 1970 on and any text stand as given; git has no earlier date, no NUL, no surrogate."""
    cases = [
        (-62_135_596_800, "", (0, "")),
        (0, "subject", (0, "subject")),
        (4_070_908_800, "2099", (4_070_908_800, "2099")),
        (253_402_300_799, "é\n\nbody\n", (253_402_300_799, "é\n\nbody\n")),
        (1, "a\0b\ud800c\r\n\x07", (1, "ab?c\r\n\x07")),
        (1, "data 5\ndone\ncommit refs/heads/main\n", (1, "data 5\ndone\ncommit refs/heads/main\n")),
    ]
    with store.writer() as writer:
        for moment, message, _ in cases:
            writer.commit(author="ann", authored=moment, committed=moment, message=message, files=[])
    for (commit, _), (_, _, expected) in zip(log_of(store), cases, strict=True):
        raw = subprocess.run(
            ["git", f"--git-dir={store.path}", "cat-file", "commit", commit.id.hex()],
            capture_output=True, check=True,
        ).stdout.decode()  # fmt: skip
        assert (commit.authored, raw.partition("\n\n")[2]) == expected
        assert commit.committed == commit.authored
    assert fsck(store) == ""


def test_a_users_git_changes_nothing(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's configuration, templates, hooks and variables leave no trace: the commits are the same."""
    append(store, ONE, TWO)
    home = tmp_path / "home"
    (home / "template/hooks").mkdir(parents=True)
    hook = home / "template/hooks/reference-transaction"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    (home / ".gitconfig").write_text(
        f"[init]\n defaultBranch = other\n templateDir = {home}/template\n defaultObjectFormat = sha256\n"
        f"[core]\n autocrlf = true\n hooksPath = {home}/template/hooks\n logAllRefUpdates = always\n"
        "[commit]\n gpgsign = true\n[log]\n showRoot = false\n date = iso\n[diff]\n renames = copies\n"
        "[fastimport]\n unpackLimit = 1000\n[i18n]\n logOutputEncoding = latin1\n"
    )
    monkeypatch.setenv("HOME", str(home))
    for name, value in {
        "XDG_CONFIG_HOME": str(home),
        "GIT_DIR": str(tmp_path / "elsewhere"),
        "GIT_WORK_TREE": str(tmp_path),
        "GIT_OBJECT_DIRECTORY": str(tmp_path / "objects"),
        "GIT_TEMPLATE_DIR": str(home / "template"),
        "GIT_DEFAULT_HASH": "sha256",
        "GIT_DEFAULT_REF_FORMAT": "reftable",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.bare",
        "GIT_CONFIG_VALUE_0": "false",
        "GIT_AUTHOR_NAME": "eve",
        "GIT_TRACE": "1",
        "LC_ALL": "C.UTF-8",
        "TZ": "Asia/Kathmandu",
    }.items():
        monkeypatch.setenv(name, value)
    other = Store.create(tmp_path / "other")
    append(other, ONE, TWO)
    other.maintain(packs=0)
    assert other.head() == store.head()
    assert log_of(other) == log_of(store)
    assert not list(other.path.rglob("hooks"))
    assert not list(other.path.glob("logs/**/main"))
    assert not (tmp_path / "elsewhere").exists()


def test_many_imports_make_the_same_commits(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often fast-import is started afresh, the commits are the same, object for object."""
    revisions: list[Files] = [{f"ticket/{n % 5}.json": b"%d" % n, "db.json": None} for n in range(12)]
    append(store, *revisions)
    for most in (1, 5, 12):
        monkeypatch.setattr(fastimport, "COMMITS_AN_IMPORT", most)
        other = Store.create(tmp_path / str(most))
        append(other, *revisions)
        assert other.head() == store.head()
        assert len(list(other.path.glob("objects/pack/*.pack"))) == -(-12 // most)
        append(other, {"db.json": b"more"})
        assert len(log_of(other)) == 13


def test_an_import_takes_its_time(store: Store) -> None:
    """Blobs may come while others append and repack; the commits go on what is there when they are made."""
    append(store, ONE)
    with store.importing("fetching") as slow:
        early = slow.blob(b"early")
        append(store, TWO)
        assert store.maintain(packs=1)
        late = slow.blob(b"late")
        with store.appending(slow):
            changes = [("report/1.json", early), ("report/2.json", late)]
            slow.commit(author="ann", authored=1, committed=1, message="", files=changes)
    assert len(log_of(store)) == 3
    assert {store.blob(blob) for blob in listed(store).values()} == {b"early", b"late", b"two", b"{}"}
    assert fsck(store) == ""
    assert not list(store.path.glob("quarantine-*"))


def test_an_index_never_comes_before_its_pack(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """At each move into the store every .idx has its .pack: git complains of one that has none."""
    moved: list[str] = []
    move = Path.replace

    def watched(file: Path, target: Path) -> Path:
        done = move(file, target)
        moved.append(target.suffix)
        assert [index for index in packs.glob("*.idx") if not index.with_suffix(".pack").exists()] == []
        return done

    packs = store.path / "objects/pack"
    monkeypatch.setattr(Path, "replace", watched)
    for number in range(3):
        append(store, {"ticket/1.json": b"%d" % number})
    assert store.maintain(packs=1)
    assert moved.count(".pack") == moved.count(".idx") == 4


def test_few_packs_stay(store: Store) -> None:
    """However often a sync appends, packs stay few, and nothing in them is lost."""
    most = 0
    for number in range(30):
        append(store, {"ticket/1.json": b"%d" % number, f"ticket/{number}.json": b"new"})
        store.maintain(packs=5)
        most = max(most, len(list(store.path.glob("objects/pack/*.pack"))))
    assert most <= 5
    assert not store.maintain(packs=5)
    assert len(log_of(store)) == 30
    assert len(listed(store)) == 30
    assert all(store.blob(blob) for blob in listed(store).values())
    assert store.check() == []


def test_a_pack_that_cannot_be_read_stays(store: Store) -> None:
    """Maintenance deletes nothing that it could not read: a damaged pack, and all others, stay."""
    for number in range(4):
        append(store, {"ticket/1.json": b"%d" % number * 1000})
    packs = sorted(store.path.glob("objects/pack/*.pack"))
    for suffix in (".pack", ".idx"):
        whole = packs[2].with_suffix(suffix).read_bytes()
        replace(packs[2].with_suffix(suffix), whole[:20] + b"damage" * 10 + whole[80:])
        with pytest.raises(DatabaseError):
            store.maintain(packs=1)
        assert sorted(store.path.glob("objects/pack/*.pack")) == packs
        assert not list(store.path.glob("quarantine-*"))
        replace(packs[2].with_suffix(suffix), whole)
    assert store.maintain(packs=1)
    assert store.check() == []


def test_a_users_pack_stays(store: Store) -> None:
    """A pack that a user keeps stays, and so does all that a user's multi-pack-index named."""
    for number in range(4):
        append(store, {"ticket/1.json": b"%d" % number})
    kept = next(store.path.glob("objects/pack/*.pack"))
    kept.with_suffix(".keep").touch()
    git(store, "multi-pack-index", "write")
    assert store.maintain(packs=1)
    assert kept.exists()
    assert len(list(store.path.glob("objects/pack/*.pack"))) == 2
    assert store.check() == []
    assert git(store, "rev-list", "--count", "--objects", "main").strip() != "0"


def test_a_large_pack_stays(store: Store) -> None:
    """Small packs are combined with each other, not again and again with the large one of the first sync."""
    append(store, *({f"ticket/{n}.json": sha256(b"%d" % n).digest() * 100} for n in range(100)))
    (large,) = store.path.glob("objects/pack/*.pack")
    for number in range(6):
        append(store, {"db.json": b"%d" % number})
    assert store.maintain(packs=5)
    packs = list(store.path.glob("objects/pack/*.pack"))
    assert len(packs) == 2
    assert large in packs
    assert store.check() == []


def test_reading_goes_on_while_packs_move(store: Store) -> None:
    """A reader that opened the store before finds everything while another process repacks."""
    found: list[dict[str, bytes]] = []
    done = threading.Event()
    append(store, *({f"ticket/{number}.json": b"%d" % number} for number in range(50)))
    expected, opened = listed(store), Store(store.path)

    def read() -> None:
        while not done.is_set():
            found.append({path: opened.blob(blob) for path, blob in expected.items()})

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(5):
            append(store, {"db.json": b"%d" % number})
            assert store.maintain(packs=0)
            git(store, "repack", "-a", "-d", "-f", "-q")
    finally:
        done.set()
        reader.join()
    contents = {f"ticket/{number}.json": b"%d" % number for number in range(50)}
    assert len(found) > 5
    assert all(state == contents for state in found)
    assert store.check() == []


def test_packs_that_were_not_yet_seen(store: Store, tmp_path: Path) -> None:
    """A reader whose view of the packs is out of date opens them anew before it gives up."""
    append(store, ONE)
    blob, opened = listed(store)["ticket/1.json"], Store(store.path)
    stale = Store.create(tmp_path / "other")._repository
    opened._repository = stale
    assert opened.blob(blob) == b"one"
    opened._repository = stale
    assert opened.size(blob) == 3
