"""The outputs of reports in a mount: what a process writes is a file, made when it is first asked for."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import trio

from offtracfs import records
from offtracfs.database import Database
from offtracfs.errors import QueryRefused
from offtracfs.mount.inodes import FIRST_NUMBER
from offtracfs.reports import outputs, process
from offtracfs.reports.outputs import Output, ReportFile
from tests.mounting import (
    AUTUMN,
    SPRING,
    SUMMER,
    Counting,
    append,
    away,
    gone,
    mounted,
    new_database,
    offtracfs,
    run,
    ticket,
    told,
    until,
)
from tests.program import PROGRAM

pytestmark = pytest.mark.usefixtures("fuse")

CODE = QueryRefused.exit_code


def script(text: str) -> list[str]:
    return [sys.executable, "-c", text]


class Asked:
    """The command of a report, which notes what it was asked for."""

    def __init__(self, command: list[str] | None = None) -> None:
        self.reports: list[ReportFile] = []
        self._command = command

    def __call__(self, report: ReportFile) -> list[str]:
        self.reports.append(report)
        return self._command or told(report)


async def test_a_report_is_a_file(database: Database, place: Path) -> None:
    """What the process writes is the file: its size and time are right, and it is run once for a commit."""
    asked = Asked()
    async with mounted(database, place, command=asked) as operations:
        head = operations.tree.head
        expected = f"report 1 as csv at {head.commit.hex()}\n"
        found = await away(os.stat, place / "report/1.csv")
        assert (found.st_size, found.st_mtime) == (len(expected), head.committed)
        assert await run("cat", place / "report/1.csv") == expected
        assert await run("cat", place / "@HEAD/report/1.csv") == expected
        assert len(asked.reports) == 1
        assert (await run("cat", place / "report/1.txt")).startswith("report 1 as txt")
        assert len(asked.reports) == 2


SENDFILE = """
import os, sys
file = os.open(sys.argv[1], os.O_RDONLY)
out = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT)
os.sendfile(out, file, 0, 1_000_000)
"""
READS = {
    "read": ["sh", "-c", 'cat < "$0" > "$1"'],
    "size first": ["cp"],
    "sendfile": [sys.executable, "-c", SENDFILE],
    "from the end": ["sh", "-c", 'tail -c 1000 "$0" > "$1"'],
}


@pytest.mark.parametrize("reads", READS.values(), ids=READS.keys())
async def test_however_it_is_read(database: Database, place: Path, tmp_path: Path, reads: list[str]) -> None:
    """The first who opens a report file has all of it, even a program that never asks for its size."""
    async with mounted(database, place) as operations:
        await run(*reads, place / "report/1.csv", tmp_path / "copy")
        expected = f"report 1 as csv at {operations.tree.head.commit.hex()}\n"
        assert await away((tmp_path / "copy").read_text) == expected


async def test_reports_of_the_past(database: Database, place: Path) -> None:
    """Below "@…" the report is that of the last commit by then."""
    commits = [(await run("git", f"--git-dir={database.path}/git", "rev-parse", f"main~{n}")) for n in (0, 2)]
    async with mounted(database, place):
        assert commits[0].strip() in await run("cat", place / "report/1.csv")
        assert commits[1].strip() in await run("cat", place / "@2011-04-30/report/1.csv")


async def test_reports_are_not_listed(database: Database, place: Path) -> None:
    """`ls -l`, `find`, `grep -r` and `cp -r` run nothing."""
    asked = Asked()
    async with mounted(database, place, command=asked):
        assert await run("ls", place / "report") == "1.json\n"
        await run("ls", "-lR", place)
        await run("grep", "-r", "nowhere to be found", place, code=1)
        await run("cp", "-r", place / "report", place.with_name("copy"))
        assert asked.reports == []


@pytest.mark.parametrize("name", ["2.csv", "2.txt", "1.tsv", "01.csv", "1.csv.json", "-1.txt", ".csv"])
async def test_no_such_report(database: Database, place: Path, name: str) -> None:
    """A report that is not there gives nothing, and nothing is run."""
    asked = Asked()
    async with mounted(database, place, command=asked):
        with pytest.raises(FileNotFoundError):
            await away(os.stat, place / "report" / name)
        with pytest.raises(FileNotFoundError):
            await away(os.stat, place / "ticket/1.csv")
        assert asked.reports == []


async def test_a_new_commit_is_a_new_report(database: Database, place: Path) -> None:
    """After a sync the same name gives the new output, and a report that is new can be read."""
    async with mounted(database, place) as operations:
        before = await run("cat", place / "report/1.csv")
        with pytest.raises(FileNotFoundError):
            await away(os.stat, place / "report/7.txt")
        await away(append, database, (AUTUMN + 60, {"report/7.json": b"{}\n"}))
        await until(lambda: operations.tree.head.committed == AUTUMN + 60)
        assert operations.tree.head.commit.hex() in await run("cat", place / "report/1.csv")
        assert operations.tree.head.commit.hex() in await run("cat", place / "report/7.txt")
        assert await run("cat", place / "@HEAD~1/report/1.csv") == before


def refusing(sentence: str) -> list[str]:
    """A process that says that a report cannot run here."""
    return script(f"import sys; print('half'); print({sentence!r}, file=sys.stderr); sys.exit({CODE})")


async def test_a_report_that_cannot_run(
    database: Database, place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As text it says why; as CSV, which programs read, it cannot be opened, and the log says why."""
    asked = Asked(refusing("offtracfs: A is empty.\nofftracfs: It uses now()."))
    async with mounted(database, place, command=asked):
        for _ in range(2):
            assert await run("cat", place / "report/1.txt") == "It uses now().\n"
            with pytest.raises(OSError, match="Invalid argument") as caught:
                await away((place / "report/1.csv").read_bytes)
            assert caught.value.errno == errno.EINVAL
        assert len(asked.reports) == 2, "what is refused once is refused for ever"
        assert await run("ls", place / "report") == "1.json\n"
    assert "Report 1 gives nothing: It uses now()." in caplog.text
    caplog.clear()


async def test_a_failure_that_may_pass(
    database: Database, place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A report that another program is in the way of is an error, and tried again."""
    asked = Asked(script("import sys; sys.exit('offtracfs: The index is locked.')"))
    async with mounted(database, place, command=asked):
        for suffix in ("txt", "csv", "txt"):
            with pytest.raises(OSError, match="Input/output error"):
                await away((place / f"report/1.{suffix}").read_bytes)
        assert len(asked.reports) == 3
    assert "Report 1 could not be run: The index is locked." in caplog.text
    caplog.clear()


async def test_the_mount_answers_while_a_report_runs(database: Database, place: Path, fifo: Path) -> None:
    """A slow report holds up nobody but those who asked for it, and is run once for all of them."""
    asked = Asked(["cat", str(fifo)])
    async with mounted(database, place, command=asked):
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(run, "cat", place / "report/1.csv")
            await until(lambda: len(asked.reports) == 1)
            assert "needle" in await run("cat", place / "ticket/3.json")
            await run("ls", "-l", place / "ticket")
            await away(fifo.write_bytes, b"done\n")
        assert await run("cat", place / "report/1.csv") == "done\n"
        assert len(asked.reports) == 1


class Waiting(Counting):
    """Operations that count who has asked for what a report file holds."""

    asked = 0

    async def getattr(self, inode: int, ctx: Any) -> Any:
        """Count, and answer as ever."""
        if inode >= FIRST_NUMBER and isinstance(self.inodes.node(inode), Output):
            self.asked += 1
        return await super().getattr(inode, ctx)


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """What a slow report waits for."""
    os.mkfifo(tmp_path / "fifo")
    return tmp_path / "fifo"


async def test_two_names_of_one_report(database: Database, place: Path, fifo: Path) -> None:
    """Whoever reads one report by another name at the same time waits for the same output."""
    asked, said = Asked(["cat", str(fifo)]), []

    async def read(path: str) -> None:
        said.append(await run("cat", place / path))

    async with mounted(database, place, Waiting, asked) as operations, trio.open_nursery() as nursery:
        for path in ("report/1.csv", "@HEAD/report/1.csv", "@HEAD~0/report/1.csv"):
            nursery.start_soon(read, path)
        await until(lambda: operations.asked == 3)
        await away(fifo.write_bytes, b"done\n")
    assert said == ["done\n"] * 3
    assert len(asked.reports) == 1


async def test_a_sync_while_a_report_runs(database: Database, place: Path, fifo: Path) -> None:
    """While somebody waits for a report, the mount goes over to what a sync brings, reports included."""
    other = Asked()

    def command(report: ReportFile) -> list[str]:
        return ["cat", str(fifo)] if report.suffix == "csv" else other(report)

    async with mounted(database, place, Waiting, command) as operations:
        for path in ("ticket/3.json", "report/1.json"):
            await run("cat", place / path)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run, "cat", place / "report/1.csv")
            await until(lambda: operations.asked == 1)
            news: dict[str, bytes | None] = {"report/1.json": b"[1]\n", "ticket/3.json": b"[2]\n"}
            await away(append, database, (AUTUMN + 60, news))
            await until(lambda: (place / "ticket/3.json").read_bytes() == b"[2]\n")
            await until(lambda: (place / "report/1.json").read_bytes() == b"[1]\n")
            assert operations.tree.head.commit.hex() in await run("cat", place / "report/1.txt")
            await away(fifo.write_bytes, b"done\n")


READERS = 130  # more than pyfuse3 answers at once, unless it is told to


def readers(place: Path) -> list[subprocess.Popen[bytes]]:
    """Programs that read one report file, each by a name of its own, so that none waits for another."""
    days = (date(2012, 1, 1) + timedelta(days=n) for n in range(READERS))
    paths = (place / f"@{day}" / "report/1.csv" for day in days)
    return [subprocess.Popen(["cat", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE) for path in paths]


async def test_many_readers_of_a_slow_report(database: Database, place: Path, fifo: Path) -> None:
    """However many wait for a report, all others are answered; who is killed meanwhile is gone soon."""
    asked = Asked(["cat", str(fifo)])
    async with mounted(database, place, Waiting, asked) as operations:
        *killed, last = await away(readers, place)
        await until(lambda: operations.asked == READERS)
        before = operations.requests["read"]
        for number in range(10, 20):
            assert "needle" in await run("cat", place / f"ticket/{number}.json")
        assert operations.requests["read"] == before + 10
        for reader in killed:
            reader.kill()
        await until(lambda: all(reader.poll() == -signal.SIGKILL for reader in killed))
        assert last.poll() is None, "it still waits"
        await away(fifo.write_bytes, b"done\n")
        assert (await away(last.communicate))[0] == b"done\n"
        assert len(asked.reports) == 1
    for reader in killed:
        reader.communicate()


async def test_the_last_reader_leaves(
    database: Database, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report that nobody waits for any more is ended, and its place is free for another one."""
    monkeypatch.setattr(outputs, "MAX_RUNNING", 1)
    started = tmp_path / "started"
    slow = ["sh", "-c", 'echo $$ > "$0.new"; mv "$0.new" "$0"; exec sleep 1000', str(started)]
    asked = Asked()

    def command(report: ReportFile) -> list[str]:
        return slow if report.suffix == "csv" and not started.exists() else asked(report)

    async with mounted(database, place, command=command):
        reader = await away(subprocess.Popen, ["cat", place / "report/1.csv"])
        await until(started.exists)
        pid = int(started.read_text())
        assert not gone(pid)
        reader.send_signal(signal.SIGINT)
        await until(lambda: reader.poll() == -signal.SIGINT and gone(pid))
        assert "as txt" in await run("cat", place / "report/1.txt")
        assert "as csv" in await run("cat", place / "report/1.csv")


QUITS = [signal.SIGQUIT, signal.SIGSEGV, signal.SIGABRT]
HARMLESS = "import signal, sys; signal.signal(signal.SIGQUIT, {}); print(open(sys.argv[1]).read(), end='')"


async def test_a_reader_dumps_core(database: Database, place: Path, fifo: Path) -> None:
    """A reader that is ended by a signal that dumps core is gone soon; one that handles it waits."""
    async with mounted(database, place, Waiting, Asked(["cat", str(fifo)])) as operations:
        file = place / "report/1.csv"
        ended = [await away(partial(subprocess.Popen, ["cat", file], preexec_fn=no_core)) for _ in QUITS]
        spared = [
            await away(
                partial(subprocess.Popen, [*script(HARMLESS.format(how)), file], stdout=subprocess.PIPE)
            )
            for how in ("signal.SIG_IGN", "lambda *_: None")
        ]
        await until(lambda: operations.asked == len(ended) + len(spared))
        for reader, number in zip(ended, QUITS, strict=True):
            reader.send_signal(number)
        for reader in spared:
            reader.send_signal(signal.SIGQUIT)
        try:
            await until(lambda: all(reader.poll() for reader in ended))
            assert [reader.returncode for reader in ended] == [-number for number in QUITS]
            assert [reader.poll() for reader in spared] == [None, None]
        finally:
            await away(fifo.write_bytes, b"done\n")
        for reader in spared:
            assert (await away(reader.communicate))[0] == b"done\n"


def no_core() -> None:
    """For a process that is to be ended: it leaves no core file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


async def test_a_report_without_end(database: Database, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that does not end is ended, once for all readers; meanwhile other reports can be had."""
    slow, other, said = Event(), Asked(), []
    asked = Asked(["sleep", "1000"])
    monkeypatch.setattr(outputs, "TIMEOUT", 2)

    def command(report: ReportFile) -> list[str]:
        if report.suffix == "csv":
            return other(report)
        slow.set()
        return asked(report)

    async def read() -> None:
        said.append(await run("cat", place / "report/1.txt"))

    async with mounted(database, place, command=command):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await until(slow.is_set)
            assert "as csv" in await run("cat", place / "report/1.csv")
        await read()
    assert said == ["It did not end within 2 seconds.\n"] * 2
    assert len(asked.reports) == 1


async def test_the_mount_ends_while_a_report_runs(
    database: Database, place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever waits for the report is told that there is none, and the mount ends at once."""
    asked = Asked(["sleep", "1000"])
    async with mounted(database, place, command=asked), trio.open_nursery() as nursery:
        nursery.start_soon(partial(run, "cat", place / "report/1.csv", code=1))
        await until(lambda: asked.reports)
        os.kill(os.getpid(), signal.SIGTERM)
    caplog.clear()


CLOCK = "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now') AS clock"


async def test_a_report_that_asks_for_the_time(
    database: Database, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An output is given for a while only; what is made then is another file, unknown to the kernel."""
    await away(append, database, (AUTUMN + 60, {"report/1.json": records.dump({"sql": CLOCK})}))

    def command(report: ReportFile) -> list[str]:
        program = [*PROGRAM, "--db", str(database.path)]
        return process.command(program, report.report, report.suffix, report.commit)

    async with mounted(database, place, command=command):
        file = place / "report/1.csv"
        said = await run("cat", file)
        before = await away(os.stat, file)
        assert await run("cat", file) == said
        monkeypatch.setattr(outputs, "MAX_AGE", 0)
        again = await run("cat", file)
        after = await away(os.stat, file)
        assert again != said
        assert (after.st_size, after.st_mtime) == (before.st_size, before.st_mtime)
        assert after.st_ino != before.st_ino


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


READER = "exec 3<$0; touch $1/opened; cat $1/go; exec cat <&3"


async def test_outputs_make_room(
    database: Database, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many outputs are asked for, few files are kept; one that is open can be read to its end."""
    monkeypatch.setattr(outputs, "MAX_KEPT", 2)
    os.mkfifo(tmp_path / "go")
    asked, said = Asked(), []

    async def read() -> None:
        said.append(await run("sh", "-c", READER, place / "report/1.csv", tmp_path))

    async with mounted(database, place, command=asked):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await until((tmp_path / "opened").exists)
            before = descriptors()
            for at in ("HEAD~1", "HEAD~2"):
                for suffix in ("csv", "txt"):
                    await run("cat", place / f"@{at}/report/1.{suffix}")
            await until(lambda: descriptors() <= before + 2)
            await away((tmp_path / "go").write_bytes, b"")
        assert said[0].startswith("report 1 as csv")
        assert len(asked.reports) == 5
        assert await run("cat", place / "report/1.csv") == said[0]
        assert len(asked.reports) == 6


async def test_large_outputs_make_room(
    database: Database, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is too much for all of them together goes, and is made again; the newest stays in any case."""
    monkeypatch.setattr(outputs, "MAX_BYTES", 10)
    asked = Asked()
    async with mounted(database, place, command=asked):
        for suffix in ("csv", "csv", "txt", "csv"):
            await run("cat", place / f"report/1.{suffix}")
        assert [report.suffix for report in asked.reports] == ["csv", "txt", "csv"]


ACTIVE = "SELECT id AS ticket, summary, time AS created FROM ticket WHERE status <> 'closed' ORDER BY id"


async def test_with_the_program(tmp_path: Path, place: Path) -> None:
    """In a mount by `offtracfs mount`, the files are what `offtracfs report` prints, then and now."""
    database = new_database(tmp_path / "db")
    reports: dict[str, bytes | None] = {
        "report/1.json": records.dump({"title": "Active", "sql": ACTIVE}),
        "report/2.json": records.dump({"title": "Odd", "sql": "SELECT * FROM wiki"}),
        "report/3.json": records.dump({"title": "Saved", "sql": "query:status=new&col=id"}),
    }
    append(database, (SPRING, ticket(1, SPRING) | reports), (SUMMER, ticket(2, SUMMER)))
    append(database, (AUTUMN, ticket(1, AUTUMN, status="closed")))
    await offtracfs(database, "mount", "--no-sync", place)
    for at, numbers in (("", [2]), ("@2011-07-31", [1, 2]), ("@HEAD~2", [1])):
        chosen = ["--at", at[1:]] if at else []
        for number, suffix, form in ((1, "txt", "table"), (3, "csv", "csv")):
            command = ("--db", database.path, "report", str(number), "--format", form)
            printed = await run(*PROGRAM, *command, *chosen)  # with the ends of its lines as they are
            assert await run("cat", place / at / f"report/{number}.{suffix}") == printed
        listed = (await run("cat", place / at / "report/3.csv")).split()[1:]
        assert listed == [str(number) for number in numbers]
    assert "wiki" in await run("cat", place / "report/2.txt")
    await run("cat", place / "report/2.csv", code=1)
    assert "wiki" in (database.path / "log/mount.log").read_text()
