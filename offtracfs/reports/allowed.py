"""What foreign SQL may use: tables, functions, sizes. What is not in here is refused."""

from __future__ import annotations

import sqlite3

TABLE_FUNCTIONS = ("json_each", "json_tree")

_FUNCTIONS = """
abs acos acosh asin asinh atan atan2 atanh avg ceil ceiling char coalesce concat concat_ws cos cosh count
cume_dist current_date current_time current_timestamp date datetime degrees dense_rank exp first_value
floor format glob group_concat hex if ifnull iif instr json json_array json_array_length
json_error_position json_extract json_group_array json_group_object json_insert json_object json_patch
json_pretty json_quote json_remove json_replace json_set json_type json_valid jsonb jsonb_array
jsonb_extract jsonb_group_array jsonb_group_object jsonb_insert jsonb_object jsonb_patch jsonb_remove
jsonb_replace jsonb_set julianday lag last_value lead length like likelihood likely ln log log10 log2
lower ltrim max min mod nth_value ntile nullif octet_length percent_rank pi pow power printf quote radians
random randomblob rank replace round row_number rtrim sign sin sinh soundex sqlite_version sqrt strftime
string_agg substr substring sum tan tanh time timediff total trim trunc typeof unhex unicode unistr
unistr_quote unixepoch unlikely upper zeroblob -> ->>
"""
FUNCTIONS = frozenset(_FUNCTIONS.split())
"""SQLite's functions that do nothing but compute, of any version; Trac's own connection adds none to them."""

_NOT_KEPT = """
attachment auth_cookie cache node_change notify_subscription notify_watch permission repository revision
session session_attribute system wiki
"""
NOT_KEPT = frozenset(_NOT_KEPT.split())
"""Trac's tables (``trac/db_default.py`` of 1.6) of which nothing is known here."""

MAX_TEXT = 10_000_000  # bytes, in a cell and in a row
MAX_SQL = 200_000  # bytes
SIZES = {
    sqlite3.SQLITE_LIMIT_LENGTH: MAX_TEXT,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: MAX_SQL,
    sqlite3.SQLITE_LIMIT_COLUMN: 500,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 1_000,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 100,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 250_000,  # steps that a statement is compiled to
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1_000,  # bytes
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 10_000,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
"""SQLite's own limits."""
