"""The process beside the driver is kept running, and the logs stay small."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import trio

from offtracfs.mount import mountpoints, sideprocess
from offtracfs.mount.mountpoints import Mount, Sync
from tests.mounting import gone, until


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "log").mkdir()
    return tmp_path


@pytest.fixture
def record() -> Mount:
    return Mount("/mnt", 1, 1, "2011-04-09T21:16:07Z", Sync())


def ends(directory: Path) -> list[str]:
    file = directory / "log" / "sync.log"
    return file.read_text().splitlines() if file.exists() else []


async def test_pause_grows(
    directory: Path, record: Mount, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A side process that keeps failing is started again after twice the pause each time, up to a longest."""
    monkeypatch.setattr(sideprocess, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(sideprocess, "MAX_PAUSE", 0.05)
    async with trio.open_nursery() as nursery:
        command = ["sh", "-c", "echo no; exit 3"]
        nursery.start_soon(sideprocess.keep_syncing, command, directory, record)
        await until(lambda: record.sync.restarts >= 5)
        nursery.cancel_scope.cancel()
    assert [message.split()[-2] for message in caplog.messages][:5] == [
        "0.01",
        "0.02",
        "0.04",
        "0.05",
        "0.05",
    ]
    assert ends(directory)[:5] == ["no"] * 5
    assert record.sync.ended.startswith("ended with exit code 3 at ")


async def test_pause_starts_over_after_a_good_while(
    directory: Path, record: Mount, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A side process that ran for long enough is started again after the first pause."""
    monkeypatch.setattr(sideprocess, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(sideprocess, "GOOD_WHILE", 0.0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sideprocess.keep_syncing, ["false"], directory, record)
        await until(lambda: record.sync.restarts >= 4)
        nursery.cancel_scope.cancel()
    assert {message.split()[-2] for message in caplog.messages} == {"0.01"}


async def test_program_that_is_missing(
    directory: Path, record: Mount, monkeypatch: pytest.MonkeyPatch, autojump_clock: Any
) -> None:
    """A side process that cannot even be started is tried again, and the record says why."""
    monkeypatch.setenv("PATH", str(directory))
    with trio.move_on_after(20):
        await sideprocess.keep_syncing(["false"], directory, record)
    assert record.sync.restarts == 5
    assert record.sync.ended.startswith("could not be started (No such file or directory) at ")


async def test_side_process_ends_with_the_mount(directory: Path, record: Mount) -> None:
    """When the mount ends, the side process gets a SIGTERM and is waited for."""
    script = "trap 'echo ended; exit 0' TERM; echo began; while :; do sleep 0.05; done"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sideprocess.keep_syncing, ["sh", "-c", script], directory, record)
        await until(lambda: ends(directory) == ["began"])
        assert not gone(record.sync.pid)
        nursery.cancel_scope.cancel()
    assert ends(directory) == ["began", "ended"]
    assert gone(record.sync.pid)


async def test_stubborn_side_process_is_killed(
    directory: Path, record: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A side process that does not heed SIGTERM is killed after a grace."""
    monkeypatch.setattr(sideprocess, "GRACE", 0.1)
    script = "import signal; signal.signal(15, signal.SIG_IGN); print('began', flush=True); signal.pause()"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sideprocess.keep_syncing, [sys.executable, "-c", script], directory, record)
        await until(lambda: ends(directory) == ["began"])
        nursery.cancel_scope.cancel()
    assert gone(record.sync.pid)


async def test_record_that_cannot_be_written_is_no_reason_to_stop(
    directory: Path, record: Mount, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the record cannot be written the side process runs all the same."""
    (directory / "mounts").touch()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sideprocess.keep_syncing, ["sh", "-c", "echo began; sleep 60"], directory, record)
        await until(lambda: ends(directory) == ["began"])
        nursery.cancel_scope.cancel()
    assert caplog.messages
    assert mountpoints.mounts(directory) == []


async def test_logs_stay_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that has grown large starts again while it is being written; what was in it is kept once."""
    monkeypatch.setattr(sideprocess, "MAX_LOG", 1_000)
    monkeypatch.setattr(sideprocess, "LOG_CHECK", 0.01)
    log = tmp_path / "sync.log"
    with log.open("ab", buffering=0) as stream:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sideprocess.keep_small, tmp_path)
            stream.write(b"x" * 500)
            stream.write(b"y" * 1_000)
            await until(lambda: log.stat().st_size == 0)
            stream.write(b"z")
            await until(lambda: log.read_bytes() == b"z")
            nursery.cancel_scope.cancel()
    assert (tmp_path / "sync.log.1").read_bytes() == b"x" * 500 + b"y" * 1_000
