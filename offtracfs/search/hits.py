"""What is shown of tickets that were found: the sentence in which the words are, who wrote it and when.

The search index has no texts. They come from the index, and SQLite marks the words in them: the same
tokenizer makes an index of just these texts, in memory.
"""

from __future__ import annotations

import re
import sqlite3
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

from offtracfs.search.build import WORDS, columns
from offtracfs.search.documents import COMMENT, DESCRIPTION, SUMMARY, Document, documents
from offtracfs.search.searching import Search
from offtracfs.search.words import APART, GAP, compounds, prepared

MAX_PASSAGE = 240  # characters
HITS_AT_ONCE = 50
BEFORE = 60  # characters in front of what was found, where the passage is cut
BEGIN, END = "\x02", "\x03"  # around what was found; no text for people has them

_TELLING = {COMMENT: 0, DESCRIPTION: 0, SUMMARY: 2}
"""Which text of a ticket is shown: one with the smallest number, where those of other fields have 1."""

_MARK = re.compile(f"[{BEGIN}{END}]")
_SPACE = re.compile(r"\s+")
_SENTENCE = re.compile(r"(?:[.!?…]+(?=\s)|[。！？]+|\n)\s*")
_MARKED = f"""
    SELECT rowid, {", ".join(f"highlight(words, {column}, '{BEGIN}', '{END}')" for column in range(3))}
    FROM words WHERE words MATCH ? ORDER BY rank
"""  # noqa: S608  # no value in it

Passage = list[str]
"""Parts of a text: what was found is every second one, beginning with the second."""

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Hit:
    """A ticket that was found.

    `text` is a passage of its best comment or description, else of another text, else its summary. `field`
    says which text that is; `author` and `time` (microseconds since 1970 UTC) say who wrote it and when.
    """

    number: int
    summary: Passage
    status: str
    field: str
    author: str
    time: int
    text: Passage


def hits(search: Search, most: int | None = None) -> Iterator[Hit]:
    """The tickets that match, best first, but not more than `most`; found as they are taken."""
    numbers = islice(search.tickets(), most)
    while some := list(islice(numbers, HITS_AT_ONCE)):
        yield from _hits(search, some)


def _hits(search: Search, numbers: Sequence[int]) -> Iterator[Hit]:
    summaries, statuses = (search.values(name, numbers) for name in (SUMMARY, "status"))
    found: dict[int, list[tuple[Document, Passage]]] = {number: [] for number in numbers}
    for number, document, passage in _marked(search, numbers):
        found[number].append((document, passage))
    for number, texts in found.items():
        if texts:  # else the index has just been built from another history
            shown, passage = min(texts, key=lambda text: _TELLING.get(text[0].field, 1))
            summary = next((part for document, part in texts if document.field == SUMMARY), None)
            yield Hit(
                number,
                summary or [summaries.get(number, "")],
                statuses.get(number, ""),
                shown.field,
                shown.author,
                shown.time,
                passage,
            )


def _marked(search: Search, numbers: Iterable[int]) -> Iterator[tuple[int, Document, Passage]]:
    """The texts of some tickets that have one of the words, the best first."""
    texts: list[tuple[int, Document]] = []
    revision = search.revision.number
    with closing(sqlite3.connect(":memory:")) as memory:
        memory.execute(WORDS.format(""))
        for number in numbers:
            known = search.documents(number)
            for document in documents(search.index, number, revision, revision):
                if origin := known.get((document.field, document.digest)):
                    document.author, document.time = origin
                    document.text = _MARK.sub("", document.text)
                    row = len(texts), *columns(document.field, document.text)
                    memory.execute(
                        "INSERT INTO words (rowid, summary, text, pieces) VALUES (?, ?, ?, ?)", row
                    )
                    texts.append((number, document))
        match = " OR ".join(term.expression for term in search.query.terms)
        for row, *marked in memory.execute(_MARKED, [match]):
            number, document = texts[row]
            summary, text, pieces = marked
            yield number, document, _passage(prepared(document.text), summary or text or "", pieces or "")


def _passage(text: str, marked: str, pieces: str) -> Passage:
    """The sentence of a text that has most of what was found, which has marks in `marked` and in `pieces`."""
    found = [*_spans(marked)]
    for word, parts in zip(compounds(text), pieces.split(GAP), strict=False):
        if BEGIN in parts:
            found.append((word.start, word.end))
    begin, end = _sentence(text, sorted(found))
    first = min((start for start, _ in found if begin <= start < end), default=begin)
    start, stop = begin, end
    if end - begin > MAX_PASSAGE:
        start = max(begin, first - BEFORE)
        stop = min(end, start + MAX_PASSAGE)
    passage, last = [], start
    for one, other in sorted(found):
        if last <= one < stop:
            passage += [text[last:one], text[one : min(other, stop)]]
            last = min(other, stop)
    passage.append(text[last:stop])
    passage = [_SPACE.sub(" ", part.replace(APART, "")) for part in passage]
    passage[0] = "… " * (start > begin) + passage[0].lstrip()
    passage[-1] = passage[-1].rstrip() + " …" * (stop < end)
    return passage


def _spans(marked: str) -> Iterator[Span]:
    """Where the marked words are in the text without marks."""
    at = 0
    for number, part in enumerate(_MARK.split(marked)):
        if number % 2:
            yield at, at + len(part)
        at += len(part)


def _sentence(text: str, found: Sequence[Span]) -> Span:
    """Where the sentence with most of what was found begins and ends: the first of several."""
    ends = [match.end() for match in _SENTENCE.finditer(text)]
    begins = [0, *ends]
    counts = Counter(bisect_right(begins, start) - 1 for start, _ in found)
    best = max(sorted(counts), key=counts.__getitem__, default=0)
    return begins[best], [*ends, len(text)][best]
