"""HTTP to one tracker: limits on time and size, retries, logging in, and the server's clock.

No redirect is ever followed, and every address is built from the tracker's own: credentials and cookies
go to no one else.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urljoin

import httpx
import trio

from offtracfs.errors import LoginRefused, NotATracker, TrackerError, Unreachable
from offtracfs.text import quoted
from offtracfs.trackers import believed
from offtracfs.trackers.credentials import Credentials
from offtracfs.trackers.tasks import background
from offtracfs.trackers.trac.faults import Busy, CutShort, Unusable
from offtracfs.trackers.trac.pages import Form, login_form
from offtracfs.trackers.trac.site import (
    Answer,
    check_login,
    checked_url,
    gist,
    refused,
    retry_after,
)

PAUSES = (0.5, 1.0, 2.0)  # seconds between two tries
MAX_PAUSE = 60.0  # seconds that a Retry-After may ask for
DEADLINE = 300.0  # seconds for one question, tries and pauses included
SHORT_DEADLINE = 60.0  # seconds for one that can be asked in smaller parts
STREAM_DEADLINE = 1800.0  # seconds for one streamed answer
MAX_ANSWER = 32 * 2**20  # bytes of an answer that is held in memory
MAX_SHORT_ANSWER = 8 * 2**20  # bytes of one to a question that can be asked in smaller parts
TIMEOUT = httpx.Timeout(120, connect=20)  # seconds without a byte
BUSY = (429, 502, 503, 504)


class Http:
    """Requests to one tracker at `url`.

    `requests` counts them; `date` is the server's clock when it last answered; `by_form` is True
    once the site has logged us in by a form.
    """

    def __init__(
        self,
        url: str,
        credentials: Credentials | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = checked_url(url)
        self.credentials = credentials
        self.requests = 0
        self.date: datetime | None = None
        self.by_form = False
        self._signed_in = credentials is None
        self._client = httpx.AsyncClient(
            transport=transport,
            timeout=TIMEOUT,
            follow_redirects=False,
            headers={"User-Agent": "offtracfs", "Accept-Language": "en"},
            auth=_basic(credentials),
        )

    async def ask(
        self, method: str, path: str, *, patient: bool = True, once: bool = False, **request: Any
    ) -> Answer:
        """The answer to one request; `request` is passed to httpx.

        A busy, broken or unreachable server is asked again after growing pauses, in DEADLINE at most.
        `patient=False` is for a question that can be asked again in smaller parts: it has a shorter deadline,
        and after an unusable answer it raises Unusable at once. `once` is for what changes something: it is
        not asked again, whatever becomes of it. Any other status comes back as it is. Raises Unreachable,
        Unusable.
        """
        deadline, limit = (DEADLINE, MAX_ANSWER) if patient else (SHORT_DEADLINE, MAX_SHORT_ANSWER)
        with self._within(deadline):
            for pause in () if once else PAUSES:
                try:
                    return await self._once(method, path, request, limit)
                except TrackerError as error:
                    wait = _wait(error, pause, patient)
                    if wait is None:
                        raise
                    await trio.sleep(wait)
            return await self._once(method, path, request, limit)

    async def _once(self, method: str, path: str, request: dict[str, Any], limit: int) -> Answer:
        async with self._open(method, path, request) as response:
            body = await self._body(response, limit)
        answer = Answer(response.status_code, response.headers, body)
        if answer.status in BUSY:
            raise Busy(f"{self.url} is too busy to answer ({answer.status}).", retry_after(answer.headers))
        if answer.status == HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Unusable(f"{self.url} reports an error of its own (500): {gist(answer)}")
        return answer

    @asynccontextmanager
    async def stream(self, path: str, **request: Any) -> AsyncIterator[tuple[int, AsyncIterator[bytes]]]:
        """The status and the bytes of a GET as they arrive: for answers that grow with the tracker."""
        await self.sign_in()
        send, receive = trio.open_memory_channel[bytes](0)
        async with background() as nursery, receive:
            yield await nursery.start(self._pump, path, request, send), receive

    async def _pump(
        self,
        path: str,
        request: dict[str, Any],
        send: trio.MemorySendChannel[bytes],
        *,
        task_status: trio.TaskStatus[int],
    ) -> None:
        with self._within(STREAM_DEADLINE):
            async with self._open("GET", path, request) as response:
                task_status.started(response.status_code)
                async for chunk in response.aiter_bytes():
                    # A reader that leaves closes the channel. A cancellation must reach httpx itself and not
                    # this send, or httpx's generators are left half run (see _body).
                    with trio.CancelScope(shield=True), suppress(trio.BrokenResourceError):
                        await send.send(chunk)
        await send.aclose()

    async def page(self, path: str, *, patient: bool = True, **request: Any) -> Answer:
        """GET of what Trac shows in a browser, as the user."""
        await self.sign_in()
        return await self.ask("GET", path, patient=patient, **request)

    @asynccontextmanager
    async def _open(self, method: str, path: str, request: dict[str, Any]) -> AsyncIterator[httpx.Response]:
        self.requests += 1
        with self._explained():
            async with self._client.stream(method, f"{self.url}/{path}", **request) as response:
                self._set_clock(response)
                yield response

    async def _body(self, response: httpx.Response, limit: int) -> bytes:
        body = bytearray()
        # Cancelling closes httpx's nested generators in order. Breaking out of the loop would leave them
        # open.
        with trio.CancelScope() as scope:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > limit:
                    scope.cancel()
        if len(body) > limit:
            raise Unusable(f"{self.url} sent an answer of over {limit // 2**20} MB.")
        return bytes(body)

    def _set_clock(self, response: httpx.Response) -> None:
        with suppress(KeyError, ValueError, OverflowError):
            date = parsedate_to_datetime(response.headers["date"]).astimezone(UTC)
            self.date = believed(date)

    @contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        try:
            with trio.fail_after(seconds):
                yield
        except trio.TooSlowError:
            raise CutShort(f"{self.url} did not answer within {seconds:.0f} seconds.") from None

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns what httpx raises into this project's errors."""
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
            causes = list(_causes(error))
            if tls := next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None):
                raise Unreachable(f"No trusted connection to {self.url}: {_tls_words(tls)}") from tls
            said = next((_words(cause) for cause in causes if isinstance(cause, OSError)), str(error))
            raise Unreachable(
                f"{self.url} cannot be reached ({quoted(said) or 'no answer'}):"
                " check the address and the network."
            ) from error
        except httpx.TimeoutException as error:
            raise CutShort(f"{self.url} did not answer in time.") from error
        except httpx.HTTPError as error:
            if isinstance(error.__context__, httpx.InvalidURL):  # httpx looks at each Location
                raise NotATracker(
                    f"{self.url} sends us on to what is no address: check the one that you gave."
                ) from None
            raise CutShort(f"{self.url} broke off its answer: {quoted(str(error))}.") from error

    async def sign_in(self, *, again: bool = False) -> None:
        """Gets the cookie by which Trac knows a browser; nothing to do without credentials.

        At ``/login`` Trac gives it to a user who has logged in by HTTP Basic. The AccountManager plugin shows
        a form. Raises LoginRefused.
        """
        if self.credentials is None or (self._signed_in and not again):
            return
        answer = await self.ask("GET", "login")
        check_login(self.url, answer, self.credentials)
        if answer.status == HTTPStatus.OK and (form := login_form(answer.text)):
            await self._submit(form)
        self._signed_in = True

    async def _submit(self, form: Form) -> None:
        assert self.credentials
        target = urljoin(f"{self.url}/login", form.action)
        # Trac's forms name no other site; one that does is not Trac's.
        if not target.startswith(self.url + "/"):
            raise LoginRefused(f"The login form of {self.url} would send the password elsewhere: not done.")
        data = form.values | {
            form.user: self.credentials.user,
            form.password: self.credentials.password or "",
        }
        answer = await self.ask("POST", target.removeprefix(self.url + "/"), data=data)
        if answer.status in (401, 403) or (answer.status == HTTPStatus.OK and login_form(answer.text)):
            raise refused(self.url, self.credentials)
        self.by_form = True

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._client.aclose()


def _wait(error: TrackerError, pause: float, patient: bool) -> float | None:
    """Seconds to wait before the same question is asked again; None where that would be in vain."""
    match error:
        case Busy(wait=wait):
            return max(pause, wait) if wait <= MAX_PAUSE else None
        case Unusable():
            return pause if patient else None
        case Unreachable():
            return None if isinstance(error.__cause__, ssl.SSLError) else pause
    return None


def _basic(credentials: Credentials | None) -> httpx.BasicAuth | None:
    return httpx.BasicAuth(credentials.user, credentials.password or "") if credentials else None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The causes of an error, the first cause first: its message says most."""
    if error is not None:
        yield from _causes(error.__cause__ or error.__context__)
        for inner in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
            yield from _causes(inner)
        yield error


def _words(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)


def _tls_words(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{error.verify_message}. A private authority can be named in SSL_CERT_FILE."
    if error.reason == "WRONG_VERSION_NUMBER":
        return "there, no TLS is spoken. If it is the right place, its address begins with http://."
    return f"{quoted(error.reason or str(error))}."
