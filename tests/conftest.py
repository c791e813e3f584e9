"""Fixtures that several test modules share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NoReturn

import pytest

from tests.tracservers import CannotInstall, TracServer, served


def needs(reason: str) -> NoReturn:
    """Skips the test, and fails it in CI: nothing that a test needs may go missing there unseen."""
    if os.environ.get("CI"):
        pytest.fail(f"CI must have what this test needs: {reason}")
    pytest.skip(reason)


def _served(kind: str) -> Iterator[TracServer]:
    try:
        with served(kind) as server:
            yield server
    except CannotInstall as error:
        needs(f"no {kind} Trac: {error}")


@pytest.fixture(scope="session")
def modern_trac() -> Iterator[TracServer]:
    """A running Trac 1.6 with RPC plugin 1.2.0; `new()` gives an environment of one's own."""
    yield from _served("modern")


@pytest.fixture(scope="session")
def legacy_trac() -> Iterator[TracServer]:
    """A running Trac 1.2.6 with RPC plugin 1.1.9; `new()` gives an environment of one's own."""
    yield from _served("legacy")
