"""Connects to the tracker of a database, with credentials that are stored or typed."""

from __future__ import annotations

import os
import sys
import termios
import tty
from dataclasses import replace
from functools import partial
from pathlib import Path

import click
import trio

from offtracfs.database import Settings
from offtracfs.demo import build
from offtracfs.errors import LoginRefused, UsageError
from offtracfs.trackers import Tracker, credentials, registry
from offtracfs.trackers.credentials import Credentials

from .text import shown

MAX_LINE = 4096  # bytes that Linux lets anybody type in a line


def check_address(settings: Settings) -> None:
    """Raises UsageError where the address of a database is none from which it could be synced."""
    if settings.url == build.URL:
        raise UsageError(
            "This is the demo's made-up tracker: there is nothing to sync; mount it with --no-sync."
        )
    registry.kind_name(settings.url)


class Connector:
    """Connects to the tracker of a database, each time it is called.

    In `directory` the tracker may keep files.

    At a terminal it asks for a password that is nowhere else, once.
    """

    def __init__(self, settings: Settings, directory: Path | None = None) -> None:
        self._settings = settings
        self._directory = directory
        check_address(settings)
        self._kind = registry.kind(settings.url)
        self._typed: str | None = None

    async def __call__(self) -> Tracker:
        """The tracker, logged in to. Raises UsageError, TrackerError."""
        who = await self._found() if self._kind.takes_credentials else None
        try:
            return await self._connect(who)
        except LoginRefused:
            # A database may let us in without a password, so that only a refusal tells that one is missing.
            if who is None or who.password is not None or not _at_a_terminal():
                raise
            typed = await _answer(f"Password of {who.user} at {self._settings.url}: ", echo=False)
            if not typed:
                raise
        who = replace(who, password=typed)
        tracker = await self._connect(who)
        self._typed = typed
        await self._offer_to_keep(who)
        return tracker

    async def _connect(self, who: Credentials | None) -> Tracker:
        return await self._kind.connect(self._settings.url, who, self._directory)

    async def _found(self) -> Credentials | None:
        """Whom to log in as. Raises UsageError."""
        find = partial(
            credentials.find,
            self._settings.url,
            self._settings.user,
            self._settings.password_command,
            password=self._typed or os.environ.get("OFFTRACFS_PASSWORD"),
            netrc_file=Path(os.environ.get("NETRC") or Path.home() / ".netrc"),
        )
        # A password command may wait for its user: a Ctrl-C or SIGTERM shall not.
        return await trio.to_thread.run_sync(find, abandon_on_cancel=True)

    async def _offer_to_keep(self, who: Credentials) -> None:
        if not (keyring := await trio.to_thread.run_sync(credentials.keyring_name)):
            return
        if (await _answer(f"Keep it in the keyring ({keyring})? [y/N]: ")).strip().lower() in ("y", "yes"):
            try:
                await trio.to_thread.run_sync(credentials.keep, self._settings.url, who)
            except UsageError as error:  # the sync shall not end for that
                click.echo(f"offtracfs: {shown(str(error))}", err=True)


def _at_a_terminal() -> bool:
    return bool(sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty())


async def _answer(question: str, *, echo: bool = True) -> str:
    """A line typed at the terminal, without its end. Meanwhile Ctrl-C and SIGTERM are heard."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    silent = [*before]
    silent[tty.LFLAG] &= ~termios.ECHO
    try:
        if not echo:
            termios.tcsetattr(terminal, termios.TCSAFLUSH, silent)
        click.echo(shown(question), err=True, nl=False)
        await trio.lowlevel.wait_readable(terminal)  # a terminal is readable when a line is complete
        return os.read(terminal, MAX_LINE).decode(errors="replace").removesuffix("\n")
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
        if not echo:
            click.echo(err=True)
