"""What is longer than the screen goes through the user's pager, as with git."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.mounting import SPRING, append, new_database, ticket
from tests.program import offtracfs
from tests.terminal import COLUMNS, ROWS, seen_at_a_terminal

TICKETS = 90
ALL = ("--db", "db", "query", "id=1-99&order=id&col=id&col=summary")
FEW = ("--db", "db", "query", "id=1-3&order=id&col=id&col=summary")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Somebody with a database of more tickets than a screen has lines."""
    database = new_database(tmp_path / "db")
    files: dict[str, bytes | None] = {}
    for number in range(1, TICKETS + 1):
        files |= ticket(number, summary=f"summary of {number} " + "long " * 30)
    append(database, (SPRING, files))
    return Path(tmp_path)


def numbers(text: str) -> list[int]:
    """The tickets that were seen, each once for each line."""
    return [int(number) for number in re.findall(r"summary of (\d+)", text)]


def test_less_shows_a_screen(home: Path) -> None:
    """Without $PAGER it is less, which shows a screen and waits; when it is left, all has ended well."""
    text = seen_at_a_terminal(home, *ALL, keys=[(f"summary of {ROWS - 2}", "q")], NO_COLOR="1")
    assert numbers(text) == list(range(1, ROWS - 1))
    assert "Traceback" not in text


def test_less_goes_on_to_the_end(home: Path) -> None:
    """The whole table can be read, and Ctrl-C is less's own key."""
    keys = [("summary of 22", "\x03"), ("\x07", "G"), (f"summary of {TICKETS} ", "q")]
    text = seen_at_a_terminal(home, *ALL, keys=keys)
    assert numbers(text)[-1] == TICKETS


def test_less_ends_where_all_fits(home: Path) -> None:
    """What fits on the screen is shown without waiting for a key."""
    assert numbers(seen_at_a_terminal(home, *FEW)) == [1, 2, 3]


@pytest.mark.parametrize("pager", ["", "cat", " "])
def test_no_pager(home: Path, pager: str) -> None:
    """An empty $PAGER, cat, or --no-pager show all at once."""
    assert numbers(seen_at_a_terminal(home, *ALL, PAGER=pager)) == [*range(1, TICKETS + 1)]
    assert numbers(seen_at_a_terminal(home, "--no-pager", *ALL, PAGER="less")) == [*range(1, TICKETS + 1)]


def test_the_users_pager(home: Path) -> None:
    """$PAGER is a line for the shell; the settings of less are there unless its user has others."""
    seen_at_a_terminal(home, *ALL, PAGER='echo "$LESS" >seen; cat >>seen')
    first, *rest = (home / "seen").read_text().splitlines()
    assert first == "FRX"
    assert len(numbers("\n".join(rest))) == TICKETS
    seen_at_a_terminal(home, *ALL, PAGER='echo "$LESS" >seen', LESS="S")
    assert (home / "seen").read_text() == "S\n"


def test_a_pager_only_at_a_terminal(home: Path) -> None:
    """What goes into a file or a pipe goes there, whatever $PAGER is."""
    done = offtracfs(home, *ALL, PAGER="touch pager; cat")
    assert len(numbers(done.stdout)) == TICKETS
    assert not (home / "pager").exists()


def test_a_pager_that_ends_early(home: Path) -> None:
    """Whoever has seen enough has seen enough: that is no error."""
    sql = "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) SELECT x FROM r"
    text = seen_at_a_terminal(home, "--db", "db", "sql", sql, PAGER="head -n 3", NO_COLOR="1")
    assert text.split() == ["x", "1", "2"]


@pytest.mark.parametrize("pager", ["no-such-pager", "/etc/passwd"])
def test_a_pager_that_cannot_be_run(home: Path, pager: str) -> None:
    """Where nothing has been shown that is an error, with a remedy."""
    text = seen_at_a_terminal(home, *ALL, PAGER=pager, code=64)
    assert "offtracfs: $PAGER cannot be run: set another one, or use `--no-pager`." in text


def test_an_error_behind_the_pager(home: Path) -> None:
    """What goes wrong while rows are read is said when the pager is done."""
    sql = "SELECT abs(CASE id WHEN 80 THEN -9223372036854775807 - 1 ELSE id END) AS n FROM ticket"
    text = seen_at_a_terminal(home, "--db", "db", "sql", sql, code=64, PAGER="cat; echo done")
    assert text.index("done") < text.index("offtracfs: ")


def test_tables_fit_eighty_columns(home: Path) -> None:
    """At 80 columns no line of a table is wider, and what is exact is there in full."""
    sql = (
        "SELECT id, summary, summary AS other, date(time / 1000000, 'unixepoch') AS day, time, changetime, "
        "owner, status FROM ticket"
    )
    text = seen_at_a_terminal(home, "--db", "db", "sql", sql, PAGER="cat", NO_COLOR="1")
    lines = text.splitlines()
    assert max(map(len, lines)) <= COLUMNS
    assert len(lines) == TICKETS + 1
    for line in lines[1:]:
        assert re.search(r"  2011-04-09  \d{16}  \d{16}  ", line), line
