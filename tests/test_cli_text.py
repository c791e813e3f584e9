"""What the program prints: errors as sentences, text that commands no terminal, figures for people."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from offtracfs_cli.main import explain
from offtracfs_cli.text import count, shown, size

from offtracfs.errors import TrackerError


def test_bug(capsys: pytest.CaptureFixture[str]) -> None:
    """What nobody foresaw is called a bug, with its traceback: 70."""
    assert explain(ZeroDivisionError("by zero")) == 70
    said = capsys.readouterr().err
    assert said.startswith("ZeroDivisionError: by zero\n")
    assert said.endswith("please report it, with the lines above.\n")


def test_groups_are_unwrapped(capsys: pytest.CaptureFixture[str]) -> None:
    """An error that comes out of trio's nurseries is told as if it had come alone; a bug beside it wins."""
    sentence = TrackerError("The tracker is odd.")
    assert explain(ExceptionGroup("", [ExceptionGroup("", [sentence])])) == 76
    assert capsys.readouterr().err == "offtracfs: The tracker is odd.\n"
    assert explain(ExceptionGroup("", [sentence, KeyError("x")])) == 70
    assert explain(BaseExceptionGroup("", [KeyboardInterrupt(), sentence])) == 130


def test_errors_of_the_machine(capsys: pytest.CaptureFixture[str]) -> None:
    """What the machine refuses is no bug of ours: a sentence with the file's name in it."""
    assert explain(PermissionError(13, "Permission denied", "/etc/shadow")) == 74
    assert explain(OSError(28, "No space left on device")) == 73
    assert capsys.readouterr().err == (
        "offtracfs: /etc/shadow: Permission denied.\nofftracfs: The system: No space left on device.\n"
    )


def test_errors_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """What a tracker has put into an error is shown, not obeyed."""
    explain(TrackerError("Odd: \x1b]0;title\x07\nsecond line \u202etxt."))
    assert capsys.readouterr().err == ("offtracfs: Odd: \\x1b]0;title\\x07\\nsecond line \\u202etxt.\n")


@given(st.text())
def test_shown_text_commands_nothing(text: str) -> None:
    """Nothing that a terminal obeys, or that turns text around, is left; other text is as it was."""
    said = shown(text)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]", said)
    said.encode()  # whatever it was, it can be printed
    assert shown(said) == said
    if text.isprintable():
        assert said == text


def test_figures() -> None:
    """Numbers are written for people."""
    assert [count(n, "ticket") for n in (0, 1, 7852)] == ["0 tickets", "1 ticket", "7,852 tickets"]
    assert [size(n) for n in (0, 999, 1000, 123_456, 2_400_000, 5_000_000_000_000)] == [
        *("0 B", "999 B", "1.0 kB", "123 kB", "2.4 MB", "5000 GB"),
    ]
