"""SOAP 1.1 as the service has it: document/literal, wrapped, all elements in one namespace.

By hand, on httpx and defusedxml, which are here already: a dozen operations with a few elements each need no
library, and a library would take the shape of what it sends from the WSDL that a foreign server gives it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from xml.etree.ElementTree import Element, ParseError, SubElement, tostring  # only to write

import httpx
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from offtracfs.errors import NotATeamTrack, TeamTrackError, TSAPIError, TSAPILoginRefused, TSAPIUnreachable
from offtracfs.text import quoted

NAMESPACE = "urn:sbmappservices72"
ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
TIMEOUT = 60.0  # seconds; a query may take a server long
MAX_ANSWER = 256_000_000  # bytes
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2
_LOGIN = re.compile(r"invalid (user|login|password)|user ?id or password|not logged in", re.IGNORECASE)

Content = str | int | bool | Mapping[str, "Content"] | list["Content"] | None
"""What is in an element: a value; elements by name, in the order of the schema; a list repeats its element;
None leaves it out."""


class Service:
    """An endpoint of the service. Every method may raise TSAPIError, and blocks."""

    def __init__(self, endpoint: str, userid: str, password: str) -> None:
        self._endpoint = endpoint
        self._userid = userid
        self._password = password
        self.requests = 0  # made so far
        self._client = httpx.Client(timeout=TIMEOUT, follow_redirects=False, trust_env=True)

    def close(self) -> None:
        """End the connections."""
        self._client.close()

    def call(self, operation: str, arguments: Mapping[str, Content], login: str = "") -> Element:
        """The element of an operation's answer; `login` is on whose behalf (``loginAsUserId``), if not ours.

        Raises TeamTrackError for a text that XML cannot hold.
        """
        auth: Content = {"userId": self._userid, "password": self._password, "loginAsUserId": login or None}
        with_auth = {} if operation == "GetVersion" else {"auth": auth}
        answer = self._answered(_enveloped(operation, {**with_auth, **arguments}))
        found = answer.find(f"{{{ENVELOPE}}}Body/{{{NAMESPACE}}}{operation}Response")
        if found is None:
            raise NotATeamTrack(f"{self._endpoint} does not answer as {NAMESPACE} does.")
        return found

    def _answered(self, content: bytes) -> Element:
        headers = {"content-type": "text/xml; charset=utf-8", "soapaction": '""'}
        self.requests += 1
        try:
            with self._client.stream("POST", self._endpoint, content=content, headers=headers) as response:
                status, parts, size = response.status_code, [], 0
                for part in response.iter_bytes():
                    size += len(part)
                    if size > MAX_ANSWER:
                        raise TSAPIError(f"{self._endpoint} answers with more than {MAX_ANSWER:,} bytes.")
                    parts.append(part)
        except httpx.HTTPError as error:
            raise TSAPIUnreachable(f"{self._endpoint} does not answer: {quoted(str(error))}.") from None
        if status in (401, 403):
            raise TSAPILoginRefused(f"{self._endpoint} refuses the login: HTTP status {status}.")
        if status not in (200, 500):  # SOAP has faults in answers of 500
            raise NotATeamTrack(f"{self._endpoint} is no service of a TeamTrack's: HTTP status {status}.")
        try:
            answer: Element = fromstring(b"".join(parts), forbid_dtd=True)
        except (ParseError, DefusedXmlException, ValueError):
            raise NotATeamTrack(f"{self._endpoint} does not answer in XML.") from None
        if (fault := answer.find(f"{{{ENVELOPE}}}Body/{{{ENVELOPE}}}Fault")) is not None:
            raise self._fault(fault)
        return answer

    def _fault(self, fault: Element) -> TSAPIError:
        told = [fault.findtext("faultstring"), fault.findtext(f"detail/{{{NAMESPACE}}}AEWebservicesFault")]
        said = ": ".join(dict.fromkeys(text.strip() for text in told if text)) or "no reason is given"
        if self._password:
            said = said.replace(self._password, "***")
        kind = TSAPILoginRefused if _LOGIN.search(said) else TSAPIError
        return kind(f"The TeamTrack says: {quoted(said).rstrip('.')}.")


def text(node: Element | None, path: str) -> str:
    """The text of an element below another, by names with slashes; "" where there is none."""
    return (node.findtext(_path(path)) or "") if node is not None else ""


def nodes(node: Element | None, path: str) -> Iterator[Element]:
    """The elements below another."""
    if node is not None:
        yield from node.iterfind(_path(path))


def number(node: Element | None, path: str) -> int | None:
    """The whole number in an element; None where there is none. Raises TSAPIError where it is something
    else.
    """
    found = text(node, path).strip()
    if not found:
        return None
    try:
        return int(found)
    except ValueError:
        raise TSAPIError(f"The TeamTrack sends {quoted(found)!r} where a number belongs.") from None


def _path(path: str) -> str:
    return "/".join(f"{{{NAMESPACE}}}{name}" for name in path.split("/"))


def _enveloped(operation: str, arguments: Mapping[str, Content]) -> bytes:
    root = Element(f"{{{ENVELOPE}}}Envelope")
    _add(SubElement(root, f"{{{ENVELOPE}}}Body"), operation, arguments)
    # A parser would make LF of a bare CR.
    written: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return written.replace(b"\r", b"&#13;")


def _add(parent: Element, name: str, content: Content) -> None:
    if content is None:
        return
    if isinstance(content, list):
        for item in content:
            _add(parent, name, item)
        return
    node = SubElement(parent, f"{{{NAMESPACE}}}{name}")
    if isinstance(content, Mapping):
        for key, value in content.items():
            _add(node, key, value)
        return
    said = str(content).lower() if isinstance(content, bool) else str(content)
    if found := _NO_XML.search(said):
        raise TeamTrackError(f"SOAP cannot send the character {found[0]!a}.")
    node.text = said
