"""Where clauses: what they can ask for, and that they can do nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlglot import exp

from offtracfs import teamtrack
from offtracfs.teamtrack import conditions
from offtracfs.teamtrack.server import Record, Server
from offtracfs.teamtrack.whereclause import ALLOWED, MAX_CLAUSE, MAX_DEPTH, parsed
from tests.teamtracks import KINDS, Teamtracks, everything


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest, teamtracks: Teamtracks) -> Iterator[Server]:
    """A database of each kind, which is only read."""
    with teamtrack.connect("joe", "", teamtracks.new(request.param)) as server:
        yield server


def _found(server: Server, clause: str) -> list[int]:
    return [record["ID"] for record in server.query(server.case_table_id(), clause)]


MOMENT = 1_500_000_000  # 2017-07-14T02:40:00Z
Wanted = Callable[[Record], Any]
CLAUSES: dict[str, Wanted] = {
    "": lambda _: True,
    "  ": lambda _: True,
    "1=1": lambda _: True,
    "1=0": lambda _: False,
    "ts_id = 3": lambda case: case["ID"] == 3,
    '"TS_ID" = 3 -- a comment': lambda case: case["ID"] == 3,
    "TS_CASE.TS_ID = 3".replace("TS_CASE", "{table}"): lambda case: case["ID"] == 3,
    "TS_ID = '3'": lambda case: case["ID"] == 3,
    "NOT (TS_ID <= 3 OR TS_ID != 7) AND TS_ID <> 8": lambda case: case["ID"] == 7,
    "TS_ID BETWEEN 4 AND 6": lambda case: 4 <= case["ID"] <= 6,
    "TS_ID NOT IN (1, 2, -3)": lambda case: case["ID"] > 2,
    "TS_ID IN (1, TS_STATE)": lambda case: case["ID"] in (1, case["STATE"]),
    "TS_WEATHER IS NULL": lambda case: case["WEATHER"] is None,
    "TS_WEATHER IS NOT NULL": lambda case: case["WEATHER"] is not None,
    "TS_TITLE LIKE '%''%' OR TS_TITLE LIKE 'Rail%'": lambda case: (
        "'" in case["TITLE"] or case["TITLE"][:4] == "Rail"
    ),
    "TS_TITLE LIKE '%!%%' ESCAPE '!'": lambda case: "%" in case["TITLE"],
    "TS_KEYWORDS = ''": lambda case: case["KEYWORDS"] == "",
    "TS_TITLE NOT LIKE '%''%' AND TS_TITLE <> 'NULLS LAST'": lambda case: "'" not in case["TITLE"],
    "TS_TITLE NOT LIKE '%!!%' ESCAPE '!'": lambda case: "!" not in case["TITLE"],
    "TS_ID NOT BETWEEN 4 AND 6 AND NOT TS_ID IN (1)": lambda case: case["ID"] not in (1, 4, 5, 6),
    "TS_PLACES LIKE '%,19,%'": lambda case: ",19," in case["PLACES"],
    "LOWER(TS_TITLE) = TS_TITLE": lambda case: case["TITLE"].lower() == case["TITLE"],
    "LENGTH(TS_TITLE) > 40": lambda case: len(case["TITLE"]) > 40,
    "TS_ID * 2 - 1 + 1 > 10": lambda case: case["ID"] * 2 > 10,
    "ABS(-TS_ID) = 5": lambda case: case["ID"] == 5,
    "TS_ID & 1 = 1": lambda case: case["ID"] % 2 == 1,
    "COALESCE(TS_SEVERITY, 0) = 0": lambda case: not case["SEVERITY"],
    "TS_COSTS > 20.5": lambda case: (case["COSTS"] or 0) > 20.5,
    f"TS_SUBMITDATE >= {MOMENT}": lambda case: case["SUBMITDATE"] >= MOMENT,
    f"TS_SUBMITDATE IN ({MOMENT}, {MOMENT + 1})": lambda case: case["SUBMITDATE"] in (MOMENT, MOMENT + 1),
    f"TS_SUBMITDATE BETWEEN 0 AND {MOMENT}": lambda case: case["SUBMITDATE"] <= MOMENT,
    "TS_CLOSEDATE > TS_SUBMITDATE": lambda case: bool(case["CLOSEDATE"]),
    "TS_PROJECTID IN (SELECT TS_ID FROM TS_PROJECTS WHERE TS_PARENTID = 1)": lambda case: (
        case["PROJECTID"] in (2, 3, 4, 5, 7)
    ),
    "TS_PROJECTID = (SELECT MAX(p.TS_ID) FROM TS_PROJECTS p WHERE p.TS_ID < 4)": lambda case: (
        case["PROJECTID"] == 3
    ),
    "EXISTS (SELECT * FROM TS_CHANGEACTIONS a WHERE a.TS_CASEID = {table}.TS_ID"
    " AND a.TS_TIME = {table}.TS_CLOSEDATE)": lambda case: case["CLOSEDATE"] is not None,
    "TS_ID IN (SELECT c.TS_CASEID FROM TS_CHANGES c JOIN TS_FIELDS f ON f.TS_ID = c.TS_FLDID"
    " WHERE f.TS_DBNAME = 'PLACES')": lambda case: case["PLACES"].count(",") > 2,
    "TS_ID IN (SELECT c.TS_CASEID FROM TS_CHANGES c, TS_FIELDS f WHERE f.TS_ID = c.TS_FLDID"
    " AND f.TS_DBNAME = 'PLACES')": lambda case: case["PLACES"].count(",") > 2,
    "TS_ID IN (SELECT TS_ID FROM {table} WHERE TS_STATE = 2)": lambda case: case["STATE"] == 2,
    "TS_STATE IN (SELECT DISTINCT s.TS_ID FROM TS_STATES s LEFT JOIN TS_WORKFLOWS w"
    " ON w.TS_ID = s.TS_PROJECTID WHERE w.TS_PARENTID = 0)": lambda case: case["STATE"] in (1, 2, 3, 4),
}


def test_clauses(server: Server) -> None:
    """Each clause finds what it says, in each database and schema, dates as numbers everywhere."""
    cases = list(server.query(server.case_table_id(), ""))
    for clause, wanted in CLAUSES.items():
        said = clause.format(table=server.case_table_name())
        expected = [case["ID"] for case in cases if wanted(case)]
        assert _found(server, said) == expected, said


def test_groups(server: Server) -> None:
    """A subselect may group, and count."""
    of = {case["ID"]: case["PROJECTID"] for case in server.query(server.case_table_id())}
    many = [number for number, project in of.items() if list(of.values()).count(project) > 5]
    grouped = f"SELECT TS_PROJECTID FROM {server.case_table_name()} GROUP BY TS_PROJECTID"
    assert _found(server, f"TS_PROJECTID IN ({grouped} HAVING COUNT(*) > 5)") == many != []


def test_order(server: Server) -> None:
    """ORDER BY orders by columns, those that tie by TS_ID; without one by TS_ID."""
    cases = list(server.query(server.case_table_id()))
    assert [case["ID"] for case in cases] == sorted(case["ID"] for case in cases)
    by = sorted(cases, key=lambda case: (-case["PROJECTID"], case["STATE"], case["ID"]))
    assert _found(server, "1=1 ORDER BY TS_PROJECTID DESC, TS_STATE ASC") == [case["ID"] for case in by]


def test_iso_dates_for_native_ones(teamtracks: Teamtracks) -> None:
    """Where dates are native, a clause may also give one as ISO text, which is GMT."""
    for kind in ("sqlite-issues", "postgresql-issues"):
        with teamtrack.connect("", "", teamtracks.new(kind)) as server:
            for date in ("2017-07-14 02:40:00", "2017-07-14T04:40:00+02:00"):
                since = _found(server, f"TS_SUBMITDATE >= '{date}'")
                assert since == _found(server, f"TS_SUBMITDATE >= {MOMENT}") != []


HOSTILE = [
    "1=1; DROP TABLE TS_USERS",
    "1=1; SELECT 1",
    "1=1) OR (1=1",
    "1=1 UNION SELECT TS_ID FROM TS_USERS",
    "1=1 LIMIT 1",
    "1=1 GROUP BY TS_ID",
    "1=1 FOR UPDATE",
    "1=1 INTO OUTFILE 'x'",
    "ORDER BY TS_ID",
    "WITH x AS (SELECT 1) 1=1",
    "TS_ID IN (DELETE FROM TS_USERS RETURNING TS_ID)",
    "TS_ID IN (WITH x AS (DELETE FROM TS_USERS RETURNING TS_ID) SELECT TS_ID FROM x)",
    "TS_ID IN (SELECT 1 UNION SELECT 2)",
    "TS_ID IN (SELECT TS_ID INTO copied FROM TS_USERS)",
    "TS_ID IN (SELECT TS_ID FROM TS_USERS LIMIT 1)",
    "TS_ID IN (SELECT 1 FROM (SELECT TS_ID FROM TS_USERS) x)",
    "TS_ID IN (SELECT 1)",
    "TS_ID = (SELECT pg_sleep(10) FROM TS_USERS)",
    "pg_terminate_backend(1)",
    "lo_import('/etc/passwd') = 1",
    "load_extension('x') = 1",
    "query_to_xml('DROP TABLE x', true, true, '') IS NULL",
    "TS_ID = nextval('s')",
    "CAST(TS_TITLE AS INTEGER) = 1",
    "TS_TITLE::regclass = 'x'",
    "randomblob(1000000000) IS NOT NULL",
    "TS_ID IN (SELECT TS_ID FROM pg_catalog.pg_authid)",
    "TS_ID IN (SELECT rolname FROM pg_authid)",
    "TS_ID IN (SELECT name FROM sqlite_master)",
    "TS_ID IN (SELECT TS_ID FROM other.TS_USERS)",
    "TS_ID IN (SELECT x.TS_ID FROM TS_USERS x, TS_STATES x)",
    "TS_ID IN (SELECT u.TS_ID FROM TS_USERS u JOIN TS_STATES s USING (TS_ID))",
    "TS_ID IN (SELECT u.TS_ID FROM TS_USERS u NATURAL JOIN TS_STATES s)",
    "TS_ID IN (SELECT TS_ID FROM TS_USERS, TS_STATES)",
    "TS_ID IN (SELECT TS_ID FROM TS_USERS u TABLESAMPLE SYSTEM (1))",
    "TS_ID IN (SELECT DISTINCT ON (TS_NAME) TS_ID FROM TS_USERS)",
    "TS_ID IN (SELECT TS_ID FROM TS_USERS GROUP BY ALL)",
    "TS_ID IN (SELECT a FROM TS_USERS u(a))",
    "TS_ID IN (SELECT COUNT(DISTINCT TS_ID, TS_NAME) FROM TS_USERS)",
    "TS_ID IN (SELECT u.TS_ID FROM TS_USERS u FULL JOIN TS_STATES s ON 1=1)",
    "TS_ID BETWEEN SYMMETRIC 3 AND 1",
    "other.t.TS_ID = 1",
    "1=1 ORDER BY TS_OWNER NULLS LAST",
    "TS_ID IN TS_STATE",
    "TS_TITLE ILIKE 'x'",
    "TS_NOSUCH = 1",
    "TS_USERS.TS_ID = 1",
    "1=1 ORDER BY 1",
    "1=1 ORDER BY (SELECT TS_ID FROM TS_USERS)",
    "1=1 ORDER BY TS_NOSUCH",
    "TS_ID = ?",
    "TS_ID = :x",
    "TS_ID = @x",
    "TS_ID = $1",
    "TS_ID = [1]",
    "TS_ID = CASE WHEN 1=1 THEN 1 END",
    "TS_ID = ROW_NUMBER() OVER ()",
    "TS_TITLE = 'it''s",
    "/* 1=1",
    "1=1\0",
    "DROP TABLE TS_USERS",
    "TS_ID IN ()",
    "(((",
    ")",
    ";",
]


def test_what_a_clause_cannot_do(server: Server) -> None:
    """Whatever is more than a condition on the TeamTrack's own tables is refused, in one sentence."""
    before = everything(server)
    for clause in HOSTILE:
        with pytest.raises(teamtrack.error) as refused:
            pytest.fail(f"{clause} finds {server.query(server.case_table_id(), clause)}")
        assert "\n" not in str(refused.value)
    assert everything(server) == before


def test_a_clause_is_a_text(server: Server) -> None:
    """What is no text is no clause."""
    clauses: list[Any] = [b"1=1", None, 1, ["1=1"]]
    for clause in clauses:
        with pytest.raises(teamtrack.error, match="is a text"):
            server.query(server.case_table_id(), clause)


def test_large_clauses() -> None:
    """A clause may have very many conditions, but not be nested without end; neither is a crash."""
    assert parsed(" OR ".join(f"TS_ID = {n}" for n in range(3_000))).where is not None
    for clause in (
        "(" * 5_000 + "1=1" + ")" * 5_000,
        "NOT " * (MAX_DEPTH + 1) + "1=1",
        "(1=1 AND (1=0 OR " * 25 + "1=1" + "))" * 25,
        " " * MAX_CLAUSE + "1=1",
    ):
        with pytest.raises(teamtrack.error):
            parsed(clause)


def test_a_long_list_of_ids(server: Server) -> None:
    """A list of a thousand ids is no trouble."""
    listed = ", ".join(map(str, range(1, 1_000)))
    assert _found(server, f"TS_ID IN ({listed})") == _found(server, "")


def test_values_that_do_not_fit(server: Server) -> None:
    """A number that no database can hold, or a date that no calendar has, is an error, and no crash."""
    for clause in ("TS_ID = 99999999999999999999999", f"TS_SUBMITDATE > {10**30}"):
        with pytest.raises((teamtrack.error, teamtrack.tsapi_error)):
            _found(server, clause)


def test_allowed_names_are_sqlglots() -> None:
    """Each name on the list is a class of sqlglot's, and each kind of operation has its translation."""
    assert all(isinstance(getattr(exp, name), type) for name in ALLOWED)
    translated = {kind.__name__ for kind in (*conditions._BINARY, *conditions._FUNCTIONS)}
    assert translated <= ALLOWED
