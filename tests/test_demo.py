"""The demo: a made-up tracker with ten years of history."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from offtracfs_cli.demo import TOUR

from offtracfs import demo, records
from offtracfs.check import check
from offtracfs.database import Database
from offtracfs.demo import build
from offtracfs.demo.lives import tickets
from offtracfs.errors import UsageError
from offtracfs.kinds import check_changelog, check_ticket
from offtracfs.sync.replay import replay
from offtracfs.trackers.trac import checked_url
from offtracfs.trackers.tracrules import TracRules
from offtracfs.tree import DAYS
from tests.conftest import needs
from tests.helpers import README
from tests.mounting import missing, tree_of, unmounted_after
from tests.program import offtracfs, surroundings


@pytest.fixture(scope="module")
def database(demo_database: Database) -> Database:
    """The demo, made once."""
    return demo_database


@pytest.fixture
def home(database: Database, tmp_path: Path) -> Path:
    """The home of somebody who has used the demo before."""
    shutil.copytree(database.path.parent, tmp_path / ".cache/offtracfs-demo", symlinks=True)
    return tmp_path


def test_all_is_well(database: Database) -> None:
    """The demo is a database like any other: records, commits and index are as they should be."""
    assert list(check(database)) == []


def test_ten_years(database: Database) -> None:
    """Its history is long, in the past, and grows in every year."""
    with database.snapshot() as snapshot:
        assert list(snapshot.tickets()) == list(range(1, 301))
    tree = tree_of(database)
    days = [named.name for named in tree.entries(tree.open(DAYS))]
    assert len(days) > 1000
    assert {day[:4] for day in days} == {str(year) for year in range(2013, 2024)}
    assert days[-1] < f"{datetime.now(UTC):%Y-%m-%d}"


def test_the_same_for_everybody(database: Database, tmp_path: Path) -> None:
    """Whoever makes it gets the same commits, so that examples with dates and numbers hold."""
    assert demo.database(tmp_path).store.head() == database.store.head()


def test_it_is_made_once(tmp_path: Path) -> None:
    """What has been made is used again, as it is."""
    first = demo.database(tmp_path)
    mark = first.path / "mark"
    mark.touch()
    assert demo.database(tmp_path).path == first.path
    assert mark.exists()


def test_change_logs_explain_their_tickets() -> None:
    """Each ticket can be rolled back through its change log to the day on which it was opened."""
    for ticket in tickets():
        check_ticket(ticket.number, ticket.record)
        check_changelog(ticket.number, ticket.changelog)
        rows = records.rows(ticket.changelog)
        versions = list(replay(ticket.record, rows, TracRules()))
        assert (versions[-1].record, versions[-1].changelog) == (ticket.record, rows)
        assert (versions[0].record[3]["status"], versions[0].changelog) == ("new", [])
        assert [version.moment for version in versions] == sorted(version.moment or 0 for version in versions)


def test_tickets_read_well() -> None:
    """No text has a place that was not filled in, and no two tickets tell the same story."""
    texts = [(t.record[3]["summary"], t.record[3]["description"]) for t in tickets()]
    comments = [row[4] for ticket in tickets() for row in ticket.changelog if row[2] == "comment"]
    for text in [*comments, *(part for pair in texts for part in pair)]:
        assert not re.search(r"\{(?!\{)\w+\}(?!\})", text.replace("{{{", "").replace("}}}", ""))
    assert len(set(texts)) > 290


def test_who_looks_at_it(database: Database, tmp_path: Path) -> None:
    """$USER is one of the demo's people, who has something to do, and who is shown by `status`."""
    asked: list[str | Path] = [
        "--db",
        database.path,
        "query",
        "status!=closed&owner=$USER&col=owner&col=id",
        "--format",
        "csv",
    ]
    found = set(offtracfs(tmp_path, *asked).stdout.split()[1:])
    assert len(found) > 1
    assert {line.partition(",")[0] for line in found} == {database.user()}
    assert f"demo: as {database.user()}\n" in offtracfs(tmp_path, "--db", database.path, "status").stdout


def test_it_cannot_be_synced(database: Database) -> None:
    """The demo has no server, and its address says so to whoever tries."""
    with pytest.raises(UsageError, match="not a web address"):
        checked_url(database.settings.url)


NOTHING_TO_SYNC = "This is the demo's made-up tracker: there is nothing to sync; mount it with --no-sync."


def test_sync_and_mount_refuse_it(database: Database, tmp_path: Path) -> None:
    """`sync`, and `mount` with a sync beside it, say at once that the demo has no server."""
    (tmp_path / "mnt").mkdir()
    for command in (("sync",), ("sync", "--watch"), ("mount", tmp_path / "mnt")):
        with unmounted_after(tmp_path / "mnt"):
            done = offtracfs(tmp_path, "--db", database.path, *command)
        assert done.returncode == UsageError.exit_code
        assert done.stderr == f"offtracfs: {NOTHING_TO_SYNC}\n"


DIES = """
import os, signal, sys
from pathlib import Path
from offtracfs.demo import build

build.{} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
build.database(Path(sys.argv[1]))
"""


STEPS = ("Database.create", "records.dump", "Database.catch_up", "Database.save", "Path.rename")


@pytest.mark.parametrize("every", [2, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_while_it_is_made(tmp_path: Path, every: int) -> None:
    """At whatever step its maker is killed, nothing half made is used, and the next one makes it whole."""
    for step in STEPS[::every]:
        done = subprocess.run([sys.executable, "-c", DIES.format(step), tmp_path / "demo"], check=False)
        assert done.returncode == -signal.SIGKILL
        assert not list((tmp_path / "demo").glob("[0-9]*"))
    assert list(check(demo.database(tmp_path / "demo"))) == []
    assert {path.name for path in (tmp_path / "demo").iterdir()} == {str(build.VERSION), "lock"}


@pytest.fixture
def mounted(home: Path) -> Iterator[Path]:
    """Where a real process has mounted the demo."""
    if reason := missing():
        needs(reason)
    mountpoint = home / "my demo"
    with unmounted_after(mountpoint):
        done = offtracfs(home, "demo", mountpoint)
        assert (done.returncode, done.stderr) == (0, ""), done
        assert done.stdout == TOUR.format(shlex.quote(str(mountpoint))) + "\n"
        yield mountpoint


def test_tour(mounted: Path) -> None:
    """Everything that the demo tells its user to try works, and shows something."""
    lines = [line.strip().format(shlex.quote(str(mounted))) for line in TOUR.splitlines() if line[0] == " "]
    assert len(lines) == 11
    for line in lines[:-1]:
        done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False, timeout=30)
        assert (done.returncode, done.stderr) == (int(line.startswith("diff")), ""), line
        assert done.stdout, line
    assert offtracfs(mounted.parent, *shlex.split(lines[-1])[1:]).returncode == 0
    assert list(mounted.iterdir()) == []


def test_report_of_who_looks(mounted: Path) -> None:
    """The mount knows as whom one looks: the report of one's own tickets is not empty."""
    assert (mounted / "report/3.txt").read_text().count("\n") > 3


def test_readme(tmp_path: Path) -> None:
    """Every command of README's tour, reports and queries works in the demo and shows something."""
    if reason := missing():
        needs(reason)
    tour = README.read_text().partition("\n## A tour\n")[2].partition("\n## Commands\n")[0]
    blocks = re.findall(r"```console\n(.*?)```", tour, re.DOTALL)
    lines = [line[2:] for block in blocks for line in block.splitlines()]
    assert len(lines) > 15
    silent = ("cd ", "export ")
    script = "".join(
        f"{line}\n" if line.startswith(silent) else f"echo '==' {shlex.quote(line)}; {line}\necho \"== $?\"\n"
        for line in lines
    )
    bin_ = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with unmounted_after(tmp_path / "offtracfs-demo"):
        assert offtracfs(tmp_path, "demo", tmp_path / "offtracfs-demo").returncode == 0
        done = subprocess.run(
            ["bash", "-c", script],
            env=surroundings(tmp_path, PATH=bin_),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert done.stderr == ""
    said = re.findall(r"^== (\D.*)\n((?:.*\n)*?)== (\d+)$", done.stdout, re.MULTILINE)
    assert [line for line, _, _ in said] == [line for line in lines if not line.startswith(silent)]
    for line, shown, code in said:
        assert shown, line
        assert int(code) == line.startswith("diff"), line


def test_second_demo(mounted: Path) -> None:
    """Where it is mounted already, that is said; elsewhere it can be mounted too."""
    again = offtracfs(mounted.parent, "demo", mounted)
    assert again.returncode == 71
    assert "mounted at" in again.stderr
    other = mounted.parent / "other"
    with unmounted_after(other):
        assert offtracfs(mounted.parent, "demo", other).returncode == 0
        assert min(other.iterdir()).name == "changelog"
        assert offtracfs(mounted.parent, "umount", other).returncode == 0
    assert (mounted / "db.json").exists()


def test_mount_point_that_is_a_file(home: Path) -> None:
    """What is no directory is refused in one sentence."""
    (home / "file").touch()
    done = offtracfs(home, "demo", "file")
    assert (done.returncode, done.stderr.count("\n")) == (71, 1)
