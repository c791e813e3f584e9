"""What a search must find: by reading every text of every ticket at a revision, word by word."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import pairwise
from random import Random
from typing import Any, NamedTuple

from offtracfs.database import Database
from offtracfs.index import Revision
from offtracfs.kinds import changelog_path, ticket_path
from offtracfs.kinds.ticket import OWN
from offtracfs.search import parse


class Text(NamedTuple):
    """A text of a ticket as git has it."""

    field: str
    author: str | None  # None where git does not say
    text: str


def texts_at(database: Database, revision: Revision) -> dict[int, list[Text]]:
    """All texts of all tickets at a revision."""
    found = {}
    with database.snapshot(revision) as snapshot:
        for number in snapshot.tickets():
            props = snapshot.load(ticket_path(number))[3]
            names = [
                name for name in props if name not in OWN or name in ("summary", "description", "keywords")
            ]
            texts = [Text(name, None, str(props[name])) for name in names if props[name]]
            for _, author, field, _, new, permanent in snapshot.load(changelog_path(number)) or []:
                if field == "comment" and permanent and new:
                    texts.append(Text(field, author, new))
            found[number] = texts
    return found


def words(text: str) -> list[str]:
    """The words of a text in order, without case and accents."""
    plain = unicodedata.normalize("NFD", text)
    plain = "".join(character for character in plain if unicodedata.category(character) != "Mn")
    return re.findall(r"[^\W_]+", plain.casefold())


@lru_cache(100_000)
def runs(text: str) -> list[list[str]]:
    """The words of a text, and of each word that is one of several by its capitals, its parts."""
    return [words(text), *_parts(text)]


def _parts(text: str) -> Iterator[list[str]]:
    for word in re.findall(r"[^\W_]+", text):
        cuts = [0]
        for at, (before, after) in enumerate(pairwise(word), 1):
            ends = after.isupper() and not before.isupper()
            begins = before.isupper() and after.isupper() and word[at + 1 : at + 2].islower()
            if ends or begins:
                cuts.append(at)
        if len(cuts) > 1:
            yield words(" ".join(word[start:end] for start, end in pairwise([*cuts, None])))


def has(text: str, asked: str) -> bool:
    """Whether a text has a word, a phrase or, with a star, a beginning of one."""
    wanted = words(asked)
    for run in runs(text):
        for start in range(len(run) - len(wanted) + 1):
            *most, last = run[start : start + len(wanted)]
            if most == wanted[:-1] and (last == wanted[-1] or ("*" in asked and last.startswith(wanted[-1]))):
                return True
    return False


def matching(
    texts: dict[int, list[Text]],
    wanted: list[str],
    unwanted: list[str] = [],  # noqa: B006  # never changed
    counts: Callable[[Text], bool] = lambda _: True,
) -> set[int]:
    """The tickets that have each of some words in one of the texts that count, and none of some others."""
    return {
        number
        for number, all_texts in texts.items()
        for some in [[text.text for text in all_texts if counts(text)]]
        if all(any(has(text, each) for text in some) for each in wanted)
        and not any(has(text, each) for text in some for each in unwanted)
    }


def found(database: Database, text: str, revision: Revision, **options: Any) -> list[int]:
    """The numbers of all tickets that a search finds, best first."""
    with database.search(parse(text, ["risk"], **options), revision) as search:
        return list(search.tickets())


def random_query(dice: Random, texts: dict[int, list[Text]]) -> tuple[list[str], list[str]]:
    """What to look for, and what not: words, beginnings and phrases of a ticket's texts."""
    ticket = [text for text in dice.choice([*texts.values()]) if words(text.text)]
    wanted = []
    for _ in range(dice.choice((1, 1, 2, 2, 3)) if ticket else 0):
        run = words(dice.choice(ticket).text)
        start = dice.randrange(len(run))
        kind = dice.random()
        if kind < 0.25:
            wanted.append(f"{run[start][: dice.randrange(2, 5)]}*")
        elif kind < 0.5:
            wanted.append('"' + " ".join(run[start : start + dice.randrange(2, 4)]) + '"')
        else:
            wanted.append(run[start])
    others = [
        word for texts_ in [dice.choice([*texts.values()])] for text in texts_ for word in words(text.text)
    ]
    unwanted = [dice.choice(others)] if others and dice.random() < 0.2 else []
    return wanted or ["the"], unwanted
