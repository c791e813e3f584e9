"""The SOAP service of a live TeamTrack, to read cases from: ``teamtrack+https://teamtrack.example.org``.

It gives what cases hold, with the names that people know states, users and the like by. It gives no history,
and no lists of the values that a field may have.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from xml.etree.ElementTree import Element  # no more than the type

import trio

from offtracfs.errors import LoginRefused, TSAPIError, Unreachable
from offtracfs.teamtrack.columns import field_name
from offtracfs.teamtrack.envelope import Service, nodes, number, text
from offtracfs.teamtrack.server import Server
from offtracfs.teamtrack.soap import PARTS, Soap, endpoint, values
from offtracfs.trackers import Metadata, Missing, Ticket
from offtracfs.trackers.credentials import Credentials
from offtracfs.trackers.registry import TrackerKind
from offtracfs.trackers.teamtrack.cases import tickets
from offtracfs.trackers.teamtrack.client import TeamTrack
from offtracfs.trackers.teamtrack.fields import WORDS, Names, Site, case_field
from offtracfs.trackers.teamtrack.metadata import definitions

PREFIX = "teamtrack+"
NO_HISTORY = (
    "SOAP gives no history of cases and no lists of values: the past begins with the first sync, and what"
    " changes is noticed. The TeamTrack's database has both."
)
NAMES = "loginId", "displayName", "displayValue"  # of a user; of an item's own elements; of others


class ServiceSource:
    """A service; `Source` describes its methods."""

    def __init__(self, service: Service, user: str) -> None:
        self.problems = [NO_HISTORY]
        self.user = user
        self._service = service
        self._soap = Soap(service)
        self._table = Server(self._soap).case_table_id()
        self._name = next(table.name for table in self._soap.tables if table.id == self._table)

    @property
    def requests(self) -> int:
        """How many requests were made so far."""
        return self._service.requests

    def now(self) -> datetime:
        """The clock (UTC) of this machine: what the server's clock says is not known."""
        return datetime.now(UTC)

    def ids(self, since: int | None) -> Sequence[int]:
        """A request for each thousand. A date is compared as a number, or as a text where that is refused."""
        if since is None:
            return self._soap.ids(self._table, "")
        try:
            return self._soap.ids(self._table, f"TS_LASTMODIFIEDDATE >= {since}")
        except (Unreachable, LoginRefused):
            raise
        except TSAPIError:
            moment = f"{datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M:%S}"
            return self._soap.ids(self._table, f"TS_LASTMODIFIEDDATE >= '{moment}'")

    def site(self) -> Site:
        """What GetTables told when this was connected; the names that people know come with each case."""
        types = self._soap.types(self._table)
        fields = {
            name: case_field(name, kind=kind.removeprefix("FLDTYPE-").replace("-", "_"))
            for name, kind in types.items()
        }
        return Site(fields, {kind: Names({}) for kind in WORDS.values()})

    def metadata(self) -> Metadata:
        """Definitions of fields alone."""
        return Metadata({"fields.json": definitions(self.site(), {})}, ())

    def cases(self, site: Site, numbers: Sequence[int]) -> list[Ticket | Missing]:
        """A request for each hundred.

        A case that the server does not give may be deleted, locked or not ours to see: only the list of all
        cases tells that it is gone.
        """
        items = list(self._soap.items(self._table, numbers))
        for item in items:
            for kind, key, word in _words(site, item):
                site.words[kind][key] = word
        types = self._soap.types(self._table)
        found = tickets(site, numbers, [values(self._name, types, item) for item in items])
        return [_not_given(case) if isinstance(case, Missing) and case.gone else case for case in found]

    def close(self) -> None:
        """End the connections."""
        self._soap.close()


def _not_given(case: Missing) -> Missing:
    return Missing(case.number, f"The TeamTrack does not give case {case.number}.")


def _words(site: Site, item: Element) -> Iterator[tuple[str, int, str]]:
    """What an item calls its state, its people and its selections: for which kind, by which id."""
    extended = {field_name(text(node, "id/dbName")): node for node in nodes(item, "extendedField")}
    for name, of in site.fields.items():
        if of.kind not in WORDS:
            continue
        if name in PARTS:
            place = PARTS[name].removesuffix("/id")
            told = [(node, "id") for node in nodes(item, place)]
        else:
            told = [(node, "internalValue") for node in nodes(extended.get(name), "value")]
        for node, key in told:
            word = next(filter(None, (text(node, part) for part in NAMES)), "")
            if word and (found := number(node, key)):
                yield WORDS[of.kind], found, word


def checked_url(url: str) -> str:
    """An address of a service. Raises UsageError where it is none, or holds a user or a password."""
    endpoint(url.removeprefix(PREFIX))
    return url


async def connect(
    url: str, credentials: Credentials | None = None, _directory: Path | None = None
) -> TeamTrack:
    """The TeamTrack whose service is at `url`. Raises UsageError, TrackerError."""
    address = endpoint(url.removeprefix(PREFIX))
    user, password = (credentials.user, credentials.password or "") if credentials else ("", "")
    return TeamTrack(await trio.to_thread.run_sync(_opened, address, user, password, abandon_on_cancel=True))


def _opened(address: str, user: str, password: str) -> ServiceSource:
    service = Service(address, user, password)
    try:
        return ServiceSource(service, user)
    except BaseException:
        service.close()
        raise


KIND = TrackerKind(checked_url, connect, takes_credentials=True)
