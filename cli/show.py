"""`offtracfs show`: one ticket."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from offtracfs import records
from offtracfs.changes import missing, ticket_at
from offtracfs.database import Database

from . import shared
from .pager import print_lines, print_text
from .questions import at
