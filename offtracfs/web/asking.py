"""What stands in an address beside a page's rule: names of people and things, and further moments."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import quote

from werkzeug.routing import BaseConverter, ValidationError

from offtracfs.index import Revision
from offtracfs.index.moments import revision_chosen
from offtracfs.kinds.kind import whole
from offtracfs.names import Back, parse_at, value_name, value_of
from offtracfs.web.addresses import canonical
from offtracfs.web.page import Asked, Elsewhere

MAX_NAME = 8_192  # bytes; longer ones are no names


class Named(BaseConverter):
    """A value of a field in a rule, ``/milestone/<named:name>``, written as the mount writes it.

    So whatever a value is, "..", "a/b" or "", its address leads to it. The dot of one that ends as a format
    does is written as ``%2E``, too: else that would be taken off.
    """

    regex = ".+"
    part_isolating = False
    formats: Collection[str] = ()

    def to_python(self, value: str) -> str:
        """The value, as the index has it. Raises ValidationError."""
        found = value_of(value)
        if found is None:
            raise ValidationError
        return whole(found)

    def to_url(self, value: str) -> str:
        """What stands in the address."""
        name = value_name(value, MAX_NAME)
        stem, dot, suffix = name.rpartition(".")
        if dot and suffix in self.formats:
            name = f"{stem}%2E{suffix}"
        return quote(name, safe="@:~+,;=()!*$", errors="replace")


def moment_asked(asked: Asked, name: str, path: str) -> tuple[str, Revision]:
    """The moment in the query of a page at `path`: as addresses hold it, without "@", and its revision.

    It is never later than the moment of the page, which it is where the query has none. What means another
    moment tomorrow, such as "yesterday" or "HEAD~3", leads to the address with the date or the commit.
    Raises Elsewhere, and as `revision_chosen`.
    """
    text = asked.args.get(name, "")
    if not text.strip():
        return "", asked.revision
    zone = asked.database.settings.zone
    found = revision_chosen(asked.reader, text.strip().removeprefix("@"), zone)
    stable = canonical(text, zone) or "@HEAD"
    if isinstance(parse_at(stable, zone), Back):
        stable = f"@{found.commit.hex()}"
    if (stable := stable.removeprefix("@")) != text:
        pairs = asked.args.items(multi=True)
        raise Elsewhere(path, [(key, stable if key == name else value) for key, value in pairs])
    return stable, min(found, asked.revision)
