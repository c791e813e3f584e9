"""How far a long piece of work is: the code that does it calls a `Progress`, which may show that."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int | None], None]
"""Called as ``progress(what, done, total)``; total is None where it is not known."""


def silent(_what: str, _done: int, _total: int | None) -> None:
    """Shows nothing."""
