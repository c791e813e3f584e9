"""PostgreSQL's and MySQL's SQL in SQLite's words: the same rows as the real server gives, or a refusal."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from offtracfs.errors import QueryRefused
from offtracfs.reports.dialects import ORDERED_AGGREGATES, translated
from tests.conftest import needs
from tests.postgres import CannotStart, postgres

Rows = list[tuple[Any, ...]]
Ask = Callable[[str], Rows]

NOON = 1_302_350_400_000_000  # 2011-04-09T12:00:00Z, a Saturday, in microseconds
TICKETS = [
    (1, NOON, "Needle in a Haystack", "bob", "ui", "10", 4),
    (2, NOON + 86_399_000_000, "needle\\50% [new] *", None, "", "9", None),
    (3, NOON - 100 * 86_400_000_000, "Nothing_here?", "alice", None, "1", 7),
    (4, 0, "50 percent", "bob", "ui", "2", 1),
]
TEXTS = "summary text, owner text, component text, value text"
TABLE = f"CREATE TABLE ticket (id integer, time bigint, {TEXTS}, n integer)"


@pytest.fixture(scope="module")
def here() -> Iterator[sqlite3.Connection]:
    """The tickets in SQLite."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(TABLE)
        connection.executemany("INSERT INTO ticket VALUES (?, ?, ?, ?, ?, ?, ?)", TICKETS)
        yield connection


@pytest.fixture(scope="module")
def there() -> Iterator[Ask]:
    """The same tickets in a real PostgreSQL."""
    try:
        with (
            postgres() as server,
            psycopg.connect(
                host=str(server.socket),
                user="admin",
                dbname="postgres",
                autocommit=True,
                options="-c timezone=UTC",
            ) as connection,
        ):
            connection.execute(TABLE)
            with connection.cursor() as cursor:
                cursor.executemany("INSERT INTO ticket VALUES (%s, %s, %s, %s, %s, %s, %s)", TICKETS)
            yield lambda sql: [tuple(map(plain, row)) for row in connection.execute(sql.encode())]
    except CannotStart as error:
        needs(f"no PostgreSQL: {error}")


def plain(value: Any) -> Any:
    """A value of PostgreSQL's as SQLite would have it."""
    match value:
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}"
        case date():
            return f"{value:%Y-%m-%d}"
        case Decimal():
            return float(value)
        case bool():
            return int(value)
    return value


def ours(here: sqlite3.Connection, sql: str, *parameters: str) -> Rows:
    """What SQLite makes of the translation."""
    text = translated(sql)
    assert text is not None
    return here.execute(text, parameters).fetchall()


WHEN = "to_timestamp(time/1000000)"
POSTGRES = [
    "id::int, value::int, n::bigint, (value::int / 3)::int, (n / 2.0)::int, 2.5::int",
    "id::text || 'x', n::varchar, 3::double precision / 2, n::real",
    "round(n::numeric / 3, 2), (n / 3.0)::numeric(10,1)",
    "summary ILIKE 'need%', summary NOT ILIKE '%NEEDLE%'",
    "summary ILIKE '50!%%' ESCAPE '!', summary ILIKE '%\\%%'",
    "summary LIKE 'need%', summary NOT LIKE 'N%', summary LIKE '%[new]%', summary LIKE '%g\\_h%', id::int",
    "summary LIKE '%!_h%' ESCAPE '!', summary LIKE owner || '%', summary LIKE '%' || '*' || '%', id::int",
    "concat(owner, '-', component, id), concat(owner)",
    f"{WHEN}, {WHEN}::date, date({WHEN})",
    f"to_char({WHEN}, 'YYYY-MM-DD HH24:MI:SS'), to_char({WHEN}, 'YYYY/MM')",
    *(f"date_trunc('{unit}', {WHEN})" for unit in ("year", "month", "week", "day", "hour", "minute")),
    *(
        f"extract({part} from {WHEN})"
        for part in ("epoch", "year", "month", "day", "hour", "minute", "dow", "doy")
    ),
    f"date_part('second', {WHEN})",
    f"{WHEN} - interval '7 days', {WHEN} + interval '2 weeks', interval '1 hour' + {WHEN}",
    f"{WHEN} - interval '-90 minutes', {WHEN} + n * interval '1 second'",
    f"{WHEN}::date + 7, {WHEN}::date - n, {WHEN}::date - interval '1 day', {WHEN}::date + interval '1 hour'",
    "timestamp 'epoch' + time/1000000 * interval '1 second', date '2011-04-09' + n * interval '1 day'",
    f"{WHEN}::date = '2011-04-09', {WHEN} >= '2011-04-09 12:00:00', {WHEN}::date < timestamp '2011-04-09'",
    f"{WHEN} BETWEEN '2011-04-09' AND '2011-04-10', {WHEN} < now() - interval '7 days'",
    "now() - interval '1 day' < now(), current_date > date '2011-01-01', localtimestamp > date '2011-01-01'",
    "(extract(epoch from now()) - 86400) * 1000000 > time",
    "substring(summary from 2 for 3), substring(summary, 3), left(summary, 4), right(owner, 99)",
    "position('e' in summary), strpos(summary, 'zz'), char_length(summary), btrim(summary, 'N')",
    "greatest(n, id, 3), least(n, id), coalesce(owner, 'none'), nullif(owner, 'bob'), n IS DISTINCT FROM 4",
    "CASE WHEN owner ILIKE 'B%' THEN 1 ELSE 2 END, mod(id, 2), abs(-id), id % 2, -7 / 2, n::int",
]


@pytest.mark.parametrize("selected", POSTGRES)
def test_the_same_as_postgresql(here: sqlite3.Connection, there: Ask, selected: str) -> None:
    """Each expression gives in SQLite what it gives in PostgreSQL, for every ticket."""
    sql = f"SELECT id, {selected} FROM ticket ORDER BY id"
    found, expected = ours(here, sql), there(sql)
    assert [
        [pytest.approx(cell) if isinstance(cell, float) else cell for cell in row] for row in expected
    ] == [list(row) for row in found]


STATEMENTS = [
    "SELECT owner, n::int FROM ticket ORDER BY owner, n",
    "SELECT owner, n::int FROM ticket ORDER BY owner DESC, n DESC",
    "SELECT owner, n::int FROM ticket ORDER BY n NULLS FIRST LIMIT 2 OFFSET 1",
    "SELECT owner, string_agg(value, '+') FROM (SELECT * FROM ticket ORDER BY id) t GROUP BY 1 ORDER BY 1",
    "SELECT string_agg(DISTINCT component, ',') FROM ticket WHERE component ILIKE 'U%'",
    "SELECT max(value::int), sum(n::int), count(*) FILTER (WHERE owner ILIKE 'BOB') FROM ticket",
    "WITH x AS (SELECT id, n::int v FROM ticket) SELECT a.id, b.v FROM x a JOIN x b USING (id) ORDER BY 1",
    "SELECT id::int, row_number() OVER (PARTITION BY owner ORDER BY n) FROM ticket ORDER BY id",
    "SELECT t.id FROM ticket t LEFT JOIN ticket u ON u.id::text = t.value WHERE u.id IS NULL ORDER BY t.id",
    "SELECT id::int FROM ticket WHERE owner ILIKE 'b%' UNION ALL SELECT 9 ORDER BY 1 DESC",
    "SELECT /* ? */ '?', id::int FROM ticket WHERE EXISTS (SELECT 1) AND id NOT IN (1, 2) ORDER BY id -- ?",
]


@pytest.mark.parametrize("sql", STATEMENTS)
def test_whole_statements(here: sqlite3.Connection, there: Ask, sql: str) -> None:
    """Whole statements give the same rows in the same order, NULLs at PostgreSQL's end."""
    assert ours(here, sql) == there(sql)


@pytest.mark.skipif(not ORDERED_AGGREGATES, reason="SQLite keeps an order within a group since 3.44")
def test_order_within_a_group(here: sqlite3.Connection, there: Ask) -> None:
    """Where SQLite can keep the order within a group, it is PostgreSQL's."""
    sql = "SELECT string_agg(owner, ', ' ORDER BY owner DESC) FROM ticket"
    assert ours(here, sql) == there(sql)


def test_names_of_columns(here: sqlite3.Connection) -> None:
    """Columns have the names that PostgreSQL gives them, which reports go by."""
    text = translated(
        "SELECT t.time::int, concat(owner), max(n)::int::text, id AS x, id FROM ticket t GROUP BY 1, 2, 4"
    )
    assert text is not None
    names = [column[0] for column in here.execute(text).description]
    assert names == ["time", "concat", "max", "x", "id"]


def test_placeholders(here: sqlite3.Connection) -> None:
    """Values keep their places, also where one comes to stand in two, and names their names."""
    sql = "SELECT greatest(?, ?), ?::int + 1, '?' FROM ticket WHERE owner ILIKE ? || '%' AND id = ?"
    assert ours(here, sql, "a", "b", "3", "AL", "3") == [("b", 4, "?")]
    assert translated("SELECT :USER::text, :A") == "SELECT CAST(:USER AS TEXT), :A"


SINCE = "FROM_UNIXTIME(time/1000000)"
MYSQL: list[tuple[str, Rows]] = [
    ("IF(owner = 'bob', 'his', 'other')", [("his",), ("other",)]),
    (SINCE, [("2011-04-09 12:00:00",), ("2011-04-10 11:59:59",)]),
    ("FROM_UNIXTIME(time/1000000, '%Y-%m')", [("2011-04",), ("2011-04",)]),
    (f'DATE_FORMAT({SINCE}, "%d.%m.%Y %H:%i")', [("09.04.2011 12:00",), ("10.04.2011 11:59",)]),
    ("`id` / 2, n <=> NULL", [(0.5, 0), (1.0, 1)]),
    ("CONCAT(`owner`, '-', id)", [("bob-1",), (None,)]),
    ("IF(1, GREATEST(n, id), 0)", [(4,), (None,)]),
    (f"DATE_ADD({SINCE}, INTERVAL 1 DAY) > '2011-04-11'", [(0,), (1,)]),
    (f"DATE(DATE_SUB({SINCE}, INTERVAL n HOUR))", [("2011-04-09",), (None,)]),
    (f"YEAR({SINCE}), MONTH({SINCE}), DAY({SINCE})", [(2011, 4, 9), (2011, 4, 10)]),
    ("UNIX_TIMESTAMP() - 3600 < UNIX_TIMESTAMP(NOW())", [(1,), (1,)]),
    ("CURDATE() - INTERVAL 1 DAY < CURDATE(), LENGTH(CURDATE() + INTERVAL 1 WEEK)", [(1, 10), (1, 10)]),
    ("LOCATE('e', summary), CAST(value AS UNSIGNED)", [(2, 10), (2, 9)]),
    ("LENGTH(CONCAT(`component`, 'é'))", [(4,), (2,)]),
    ("`summary` LIKE 'need%' AND owner IS NULL || 0", [(0,), (1,)]),
]


@pytest.mark.parametrize(("selected", "expected"), MYSQL)
def test_mysql(here: sqlite3.Connection, selected: str, expected: Rows) -> None:
    """Each expression gives what MySQL's manual says that it gives."""
    assert ours(here, f"SELECT {selected} FROM `ticket` WHERE id IN (1, 2) ORDER BY id") == expected


def test_mysqls_group_concat(here: sqlite3.Connection) -> None:
    """The separator is MySQL's, and NULLs come first in its order."""
    sql = "SELECT owner, GROUP_CONCAT(value SEPARATOR '; ') FROM ticket GROUP BY owner ORDER BY owner"
    assert ours(here, sql) == [(None, "9"), ("alice", "1"), ("bob", "10; 2")]


REFUSED = [
    ("summary ~ 'x.*'", "PostgreSQL's summary ~ 'x.*' cannot run here: SQLite has no regular expressions"),
    ("`summary` REGEXP 'x'", "MySQL's .* cannot run here: SQLite has no regular expressions"),
    ("DISTINCT ON (owner) id", "cannot choose one row of several"),
    ("to_timestamp(time/1000000) - interval '1 month'", "months and years"),
    ("now() - interval '1 day 2 hours'", "one whole number and one unit"),
    ("now() - to_timestamp(time/1000000)", "no length of time"),
    ("extract(week from now())", "cannot tell the week"),
    ("date_trunc('quarter', now())", "cannot cut a moment to the quarter"),
    ("to_char(now(), 'Month')", "no such pattern"),
    ("to_char(now(), 'IYYY-IW')", "no such pattern"),
    ("to_char(now(), owner)", "no such pattern"),
    ("to_char(n, '999')", "n cannot run here: it is not known to be a date or time"),
    ("time::date", "time cannot run here: it is not known to be a date or time"),
    ("DATE_FORMAT(NOW(), '%M')", "no such pattern"),
    ("(id = 1)::boolean", "no such type"),
    ("(n::float / 2)::int", "SQLite rounds halves otherwise"),
    ("value::json", "no such type"),
    ("summary ILIKE '%É%'", "a to z only"),
    ("summary LIKE owner ESCAPE '!'", "upper from lower case"),
    ("string_agg(DISTINCT owner, '; ')", "a comma between distinct values"),
    ("owner = ANY(ARRAY['bob'])", "SQLite has no equal"),
    ("split_part(owner, ',', 1), id::int", "SPLIT_PART.* SQLite has no equal"),
    ("id::int FROM ticket FOR UPDATE", "FOR UPDATE.* SQLite has no equal"),
    ("generate_series(1, 9), id::int", "SQLite has no equal"),
    ("array_agg(id::int)", "SQLite has no equal"),
    ("LOCATE('x', summary, 3)", "from the beginning"),
    ("substring(summary from n for 2)", "no number above 0"),
    ("id::int FROM ticket TABLESAMPLE SYSTEM (1)", "SQLite has no equal"),
]


@pytest.mark.parametrize(("selected", "words"), REFUSED)
def test_refused(selected: str, words: str) -> None:
    """What SQLite cannot say is refused with the construct and the reason, in one sentence."""
    with pytest.raises(QueryRefused, match=words) as caught:
        translated(
            f"SELECT {selected} FROM ticket" if " FROM ticket" not in selected else f"SELECT {selected}"
        )
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "x" * 9,
        "SELECT nosuch(1)",
        "SELECT age(now())",
        "SELECT 1 FORM ticket WHERE",
        "SELECT 1; SELECT 2",
        "SELECT " + "(" * 5_000,
        "INSERT INTO ticket SELECT 1",
        "DELETE FROM ticket",
        "CREATE TABLE x (y int)",
    ],
)
def test_no_dialect(sql: str) -> None:
    """What is wrong in every database is left to SQLite to tell, and nothing but a SELECT is translated."""
    assert translated(sql) is None
