"""What a page is, and what its view is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException, NotFound

from offtracfs.changes import Timeline
from offtracfs.database import Database, Snapshot
from offtracfs.index import Reader, Revision
from offtracfs.web.addresses import address
from offtracfs.web.runs import Runs

Pair: TypeAlias = tuple[str, str]

Data: TypeAlias = dict[str, Any]
"""What a page shows, as JSON says it: the template gets these names, and ``.json`` is this.

Times are ISO text with a "Z".
"""


@dataclass
class Asked:
    """What a view is asked for: the tracker as it stood at `revision`, and the address's query.

    `at` is the moment as it stands in the address ("@2011-04-09"), "" for now; `newest` is the newest
    revision. `path` is the address without moment, format and query; `pairs` are the names and values in
    the query, in order. All but the database and
    `runs`, the reports that run for all threads, belong to this thread and this request. `gone` says whether
    whoever asked has left: what takes long asks it now and then.
    """

    database: Database
    reader: Reader
    timeline: Timeline
    revision: Revision
    newest: Revision
    runs: Runs
    at: str = ""
    path: str = "/"
    pairs: Sequence[Pair] = ()
    gone: Callable[[], bool] = lambda: False

    @cached_property
    def args(self) -> MultiDict[str, str]:
        """The values in the address's query, by their names."""
        return MultiDict(self.pairs)

    def again(self, form: str = "", **changes: str | int | None) -> str:
        """The address of this page, in a format, with other values in its query; None takes a name away."""
        kept = [(name, value) for name, value in self.pairs if name not in changes]
        given = [(name, value) for name, value in changes.items() if value is not None]
        return address(self.at, self.path, urlencode([*kept, *given]), form)

    @property
    def here(self) -> str:
        """The address without its moment, as a ticket's page takes that of the list one came from."""
        return address("", self.path, urlencode(self.pairs))

    @cached_property
    def snapshot(self) -> Snapshot:
        """The records as they stood."""
        return Snapshot(self.database.store.blob, self.reader, self.revision)


class Missing(NotFound):
    """What a page is about is not there at its moment. `last` is a moment at which it was, "" for none."""

    def __init__(self, sentence: str, last: str = "") -> None:
        super().__init__(sentence)
        self.last = last


class Elsewhere(HTTPException):
    """A page is at another address, on this server and at the same moment: `path` and `pairs` say at which.

    A browser is sent there, to the page in the same format unless there is a `form`.
    """

    code = 302

    def __init__(self, path: str, pairs: Iterable[Pair] = (), form: str = "") -> None:
        super().__init__("This page is at another address.")
        self.path = path
        self.query = urlencode([*pairs])
        self.form = form


class Parameter(NamedTuple):
    """What may stand in the query of a page's address, for `/api`."""

    name: str
    description: str


class Format(NamedTuple):
    """Another form of a page, beside HTML and JSON.

    `write` is called as the page's view is, and gives the pieces of the text.
    """

    media_type: str
    write: Callable[..., Iterable[str] | Iterable[bytes]]


@dataclass(frozen=True)
class Page:
    """A page. Its address holds no moment and no format: these stand before and behind every address.

    `rule` is as Werkzeug's routing has it; what it names is given to the view, behind an `Asked`. The
    template is ``templates/NAME.html``. A page with a `label` stands in the navigation. A page is `pure`
    where the commit and the address alone decide what it shows: then a browser may keep it. A page that
    lists tickets has a function that gives the numbers of all of them in order, called as the view is, so
    that a ticket's page can say which is the next.

    A view raises Missing, Elsewhere, or an OfftracfsError.
    """

    name: str
    rule: str
    view: Callable[..., Data]
    description: str
    label: str = ""
    parameters: tuple[Parameter, ...] = ()
    formats: Mapping[str, Format] = field(default_factory=dict)
    pure: Callable[[Asked], bool] = lambda _asked: True
    tickets: Callable[..., Iterable[int]] | None = None
