"""The parser: lines become blocks, by the rules of Trac's own formatter.

A paragraph or a table is open as long as it is the last thing in its block.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby

from offtracfs.wiki.flow import Flow, is_blank, one_line
from offtracfs.wiki.headings import Headings
from offtracfs.wiki.inline import CellStart, RowStart, Token, tokens
from offtracfs.wiki.nesting import MAX_DEPTH, Nesting
from offtracfs.wiki.nodes import (
    Cell,
    CodeBlock,
    Division,
    Document,
    Node,
    Outline,
    Paragraph,
    Quote,
    Row,
    Rule,
    Table,
)
from offtracfs.wiki.pieces import Cited, Fenced, pieces
from offtracfs.wiki.processors import HIDDEN, NESTED, classes, span

_ITEM = re.compile(r"(?P<indent>\s*+)(?:[-*\u2022]|(?P<number>[0-9]{1,9}|[a-zA-Z]|[ivxIVX]{1,5})\.)\s")
_DEFINITION = re.compile(r"\s++(?P<term>(?>`[^`]*`|\{\{\{(?:\}{0,2}[^}])*?\}\}\}|[^`{:]|:[^:])++)::(?:\s+|$)")
_INDENT = re.compile(r"\s++(?=\S)(?!!?\|-)")
_SPACES = re.compile("[\v\f]")
_UNUSABLE = re.compile("[\0\ud800-\udfff]")


def parse(text: str, *, newlines: bool = False) -> Document:
    """The tree of a wiki text.

    With `newlines`, each line of a paragraph begins anew: so Trac shows what is in tickets. Without it, lines
    flow together, as on wiki pages.
    """
    text = _UNUSABLE.sub("\ufffd", _SPACES.sub(" ", text))
    headings = Headings()
    return Document(_Parser(headings, newlines, 0).parse(text.splitlines()), headings.found)


class _Parser:
    """Reads the lines of a text, or of a part of it that stands within `depth` blocks."""

    def __init__(self, headings: Headings, newlines: bool, depth: int) -> None:
        self.headings = headings
        self.newlines = newlines
        self.children: list[Node] = []
        self.nesting = Nesting(self.children, depth)
        self.flow = Flow()
        self.paragraph: Paragraph | None = None
        self.table: Table | None = None
        self.row: Row | None = None

    def parse(self, lines: Iterable[str]) -> list[Node]:
        """The blocks of these lines."""
        for piece in pieces(lines):
            match piece:
                case Fenced():
                    self._fenced(piece)
                case Cited():
                    self._cited(piece)
                case "":
                    self._close()
                case _ if piece.startswith("----"):
                    self._close()
                    self.children.append(Rule())
                case _:
                    self._line(piece.replace("\t", " " * 8))
        return self.children

    def _close(self) -> None:
        self.paragraph = self.table = self.row = None
        self.nesting.close()

    def _line(self, line: str) -> None:
        if heading := self.headings.read(line):
            self._close()
            self.children.append(heading)
            return
        found = list(tokens(self._begin(line)))
        if any(isinstance(token, CellStart | RowStart) for token in found):
            self._cells(found)
        else:
            self.table = self.row = None
            self._text(found)

    def _begin(self, line: str) -> str:
        """Opens and closes what a line's beginning says; gives the rest of the line."""
        nesting = self.nesting
        if not line.startswith(" "):
            nesting.dedent()
        if item := _ITEM.match(line):
            nesting.item(len(item["indent"]), item["number"] or "")
            return line[item.end() :]
        if term := _DEFINITION.match(line):
            nesting.term(one_line(term["term"].strip()))
            return line[term.end() :]
        if indent := _INDENT.match(line):
            if not nesting.goes_on(indent.end()):
                nesting.quote(indent.end())
            return line[indent.end() :]
        nesting.close_lists()
        nesting.close_quotes()
        if not line.startswith(" "):
            nesting.close_definitions()
        return line

    def _text(self, found: list[Token]) -> None:
        """A line of a list, of a description or of a paragraph."""
        for is_outline, run in groupby(found, lambda token: isinstance(token, Outline)):
            if is_outline:
                self.nesting.container.extend(run)  # type: ignore[arg-type]  # of outlines
            else:
                self._run(list(run))

    def _run(self, found: list[Token]) -> None:
        if self.nesting.runs_on:
            self.flow.into(self.nesting.container)
        else:
            container = self.nesting.container
            if not (self.paragraph and container and container[-1] is self.paragraph):
                if all(is_blank(token) for token in found):
                    return
                self.paragraph = Paragraph()
                container.append(self.paragraph)
            self.flow.into(self.paragraph.children, newlines=self.newlines)
        for token in found:
            self.flow.put(token)

    def _cells(self, found: list[Token]) -> None:
        """A line of a table. What stands before its first cell is shown before the table, as browsers do."""
        self.nesting.close_lists()
        self.nesting.close_definitions()
        self._open_table()
        before: list[Node] = []
        self.flow.into(self.row.children[-1].children if self.row and self.row.children else before)
        continued = False
        for token in found:
            match token:
                case RowStart():
                    self.row, continued = self._open_row(token.classes), True
                    self.flow.into(before)
                case CellStart():
                    self.row = self.row or self._open_row()
                    if token.columns:
                        cell = Cell(token.header, token.columns, alignment=token.alignment)
                        self.row.children.append(cell)
                        self.flow.into(cell.children)
                    continued = continued or token.continued
                case _:
                    self.flow.put(token)
        if not all(is_blank(node) for node in before):
            self.nesting.container[-1:-1] = before
        if not continued:
            self.row = None

    def _open_table(self) -> Table:
        """The table that is open; a new one, where none is."""
        container = self.nesting.container
        if not (self.table and container and container[-1] is self.table):
            self.table, self.row = Table(), None
            container.append(self.table)
        return self.table

    def _open_row(self, classes: tuple[str, ...] = ()) -> Row:
        row = Row(classes)
        self._open_table().children.append(row)
        return row

    def _cited(self, cited: Cited) -> None:
        self.nesting.close_lists(cited.indent)
        inside = self._inside(cited.lines)
        quote = CodeBlock("\n".join(cited.lines)) if inside is None else Quote(True, inside)
        self.nesting.container.append(quote)

    def _fenced(self, block: Fenced) -> None:
        if block.processor in HIDDEN or not (block.processor or block.lines):
            return
        inside = self._inside(block.lines) if block.processor in NESTED else None
        node = CodeBlock(block.text, block.processor) if inside is None else _nested(block, inside)
        if isinstance(node, Cell | Row):
            self.nesting.close_lists()
            self.nesting.close_definitions()
            self._open_table()
        match node:
            case Cell():
                self.row = self.row or self._open_row()
                self.row.children.append(node)
            case Row():
                self._open_table().children.append(node)
                self.row = None
            case _:
                self.nesting.container.append(node)

    def _inside(self, lines: list[str]) -> list[Node] | None:
        """The blocks of a text within this one; None where that would be too deep."""
        depth = self.nesting.depth + 1
        if depth > MAX_DEPTH:
            return None
        return _Parser(self.headings, self.newlines, depth).parse(lines)


def _nested(block: Fenced, inside: list[Node]) -> Node:
    """What a processor makes of its text; code, where a row or a table has something else in it."""
    given = classes(block.parameters)
    match block.processor, inside:
        case "div" | "rtl", _:
            return Division(given, block.processor == "rtl", inside)
        case "td" | "th", _:
            return Cell(
                block.processor == "th",
                span(block.parameters.get("colspan")),
                span(block.parameters.get("rowspan")),
                classes=given,
                children=inside,
            )
        case "tr", [Table() as table]:
            return Row(given, [cell for row in table.children for cell in row.children])
        case "table", [Table() as table]:
            return Table(given, table.children)
    return CodeBlock(block.text, block.processor)
