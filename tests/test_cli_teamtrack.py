"""The command `offtracfs teamtrack query`."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

from offtracfs import teamtrack
from offtracfs.database import Database, Settings
from tests.program import offtracfs
from tests.teamtracks import Teamtracks, connected
from tests.teamtrackserver import PASSWORD, serving


@pytest.fixture(scope="module")
def address(teamtracks: Teamtracks) -> str:
    """A TeamTrack's database, which is only read."""
    return teamtracks.new("sqlite-issues")


def _query(home: Path, *arguments: str, **environment: str) -> str:
    done = offtracfs(home, "teamtrack", "query", *arguments, **environment)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def test_formats(tmp_path: Path, address: str) -> None:
    """Each format has the fields that were asked for, in their order, and the records in the clause's."""
    asked = (
        "CASES",
        "--server",
        address,
        "--where",
        "TS_ID < 4 ORDER BY TS_ID DESC",
        "--fields",
        "title, ID",
    )
    with teamtrack.connect("", "", address) as server:
        cases = list(server.query(1000, "TS_ID < 4 ORDER BY TS_ID DESC"))
    wanted = [{"TITLE": case["TITLE"], "ID": case["ID"]} for case in cases]
    assert json.loads(_query(tmp_path, *asked, "--format", "json")) == wanted
    rows = list(csv.reader(io.StringIO(_query(tmp_path, *asked, "--format", "csv"))))
    assert rows == [["TITLE", "ID"], *([row["TITLE"], str(row["ID"])] for row in wanted)]
    first, *lines = _query(tmp_path, *asked).splitlines()
    assert first.split() == ["TITLE", "ID"]
    assert [line.split()[-1] for line in lines] == ["3", "2", "1"]


def test_all_fields_of_any_table(tmp_path: Path, address: str) -> None:
    """Without --fields and --where all is listed; a table is named with its TS_ or without, or by its id."""
    with teamtrack.connect("", "", address) as server:
        states = [dict(state) for state in server.query(server.tables["STATES"])]
        number = str(server.tables["STATES"])
    for name in ("STATES", "ts_states", number):
        found = json.loads(_query(tmp_path, name, "--server", address, "--format", "json"))
        assert found == states


def test_the_database_says_which_server(tmp_path: Path, address: str) -> None:
    """Without --server it is the tracker of the database, if that is a TeamTrack."""
    Database.create(tmp_path / "db", Settings(f"teamtrack+{address}"))
    done = offtracfs(tmp_path, "--db", "db", "teamtrack", "query", "USERS", "--fields", "LOGINID")
    assert "newton" in done.stdout.split()
    Database.create(tmp_path / "other", Settings("https://trac.example.org"))
    done = offtracfs(tmp_path, "--db", "other", "teamtrack", "query", "USERS")
    assert done.returncode == 64
    assert "--server" in done.stderr


@pytest.mark.parametrize("where", ["netrc", "environment"])
def test_over_soap(tmp_path: Path, teamtracks: Teamtracks, where: str) -> None:
    """A live server is asked as whoever netrc says, with the password there or in the environment."""
    with connected(teamtracks.new("sqlite-issues")) as behind, serving(behind) as stand_in:
        netrc = tmp_path / ".netrc"
        kept = PASSWORD if where == "netrc" else "wrong"
        netrc.write_text(f"machine 127.0.0.1 login newton password {kept}\n")
        netrc.chmod(0o600)
        more = {} if where == "netrc" else {"OFFTRACFS_PASSWORD": PASSWORD}
        asked = ("CASES", "--server", stand_in.url, "--where", "TS_ID = 17", "--fields", "ID,TITLE")
        (found,) = json.loads(_query(tmp_path, *asked, "--format", "json", **more))
        assert found == {"ID": 17, "TITLE": behind.read_record(1000, 17)["TITLE"]}
        assert b"newton" in stand_in.bodies[-1]


@pytest.mark.parametrize(
    ("code", "words", "arguments"),
    [
        (64, "Missing argument 'TABLE'", ("query",)),
        (64, "There is no table nonsense", ("query", "nonsense", "--server", "{address}")),
        (64, "There is no table 99", ("query", "9" * 5_000, "--server", "{address}")),
        (64, "has no field NOSUCH", ("query", "USERS", "--fields", "ID,NOSUCH", "--server", "{address}")),
        (
            64,
            "cannot be in it",
            ("query", "USERS", "--where", "1=1; DROP TABLE TS_USERS", "--server", "{address}"),
        ),
        (
            64,
            "There is no column TS_NOSUCH",
            ("query", "USERS", "--where", "TS_NOSUCH = 1", "--server", "{address}"),
        ),
        (64, "neither a host", ("query", "USERS", "--server", "nonsense://")),
        (64, "holds a password", ("query", "USERS", "--server", "postgresql://ann:hunter2@h/d")),
        (66, "no offtracfs database", ("query", "USERS")),
        (68, "no such file", ("query", "USERS", "--server", "sqlite:////nowhere/x.db")),
        (69, "does not answer", ("query", "USERS", "--server", "http://127.0.0.1:9")),
    ],
)
def test_what_cannot_be_asked(
    tmp_path: Path, address: str, code: int, words: str, arguments: tuple[str, ...]
) -> None:
    """Each mistake is one sentence with its exit code, and no password in it."""
    done = offtracfs(tmp_path, "teamtrack", *(part.format(address=address) for part in arguments))
    assert (done.returncode, done.stdout) == (code, "")
    assert re.fullmatch(rf"offtracfs: .*{words}.*\n", done.stderr), done.stderr
    assert "hunter2" not in done.stderr
