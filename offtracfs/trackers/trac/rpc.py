"""Calls over HTTP in one of the plugin's protocols, and finding out which one answers where."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

from offtracfs.errors import ChangeRejected, NotATracker, PermissionMissing, TrackerError
from offtracfs.trackers.trac.codec import JSON, XML, Call, Codec
from offtracfs.trackers.trac.faults import Fault, Unusable
from offtracfs.trackers.trac.http import Http
from offtracfs.trackers.trac.site import Answer, check_login, check_redirect, refused

ENDPOINTS = (("rpc", JSON), ("rpc", XML), ("jsonrpc", JSON), ("xmlrpc", XML))
"""Where the plugin may listen, best first; the last two are those of its oldest versions."""

T = TypeVar("T")

_PERMISSION = re.compile(r"\b([A-Z][A-Z_]+) privileges are required")


class NoPlugin(NotATracker):
    """At this address, something else answers than the plugin in this protocol."""


@dataclass(slots=True)
class Rpc:
    """The methods at one address.

    Where the plugin sees no user, it answers without reading the request's body, and tracd then reads that
    body as the next request of the connection (seen). `fresh_connections` is True while that can happen: each
    call then has a connection of its own.
    """

    http: Http
    path: str
    codec: Codec
    fresh_connections: bool = True

    async def call(self, method: str, *params: Any) -> Any:
        """What one method returns. Raises TrackerError."""
        try:
            return await self._ask(self.codec.encode(method, params), self.codec.decode)
        except Fault as fault:
            raise self.failed(method, fault) from None

    async def call_once(self, method: str, *params: Any) -> Any:
        """What one method returns that changes something: it is asked for once, whatever happens.

        Raises ChangeRejected where the method says that it failed; otherwise as `call`.
        """
        try:
            return await self._ask(self.codec.encode(method, params), self.codec.decode, once=True)
        except Fault as fault:
            raise ChangeRejected(f"{self.http.url} does not take this: {fault}") from None

    async def many(self, calls: Sequence[Call], *, patient: bool = True) -> list[Any]:
        """What each of the calls returns, in their order, a Fault where one failed.

        Raises TrackerError where the number of answers is another. `patient` is as for `Http.ask`.
        """
        results = await self._ask(self.codec.encode_many(calls), self.codec.decode_many, patient=patient)
        if len(results) != len(calls):
            raise Unusable(f"{self.http.url} gave {len(results)} answers to {len(calls)} calls.")
        return results

    def failed(self, method: str, fault: Fault) -> TrackerError:
        """The error for a method that failed: PermissionMissing where that is why."""
        if fault.forbidden:
            return self._forbidden(str(fault))
        return TrackerError(f"{self.http.url} fails at {method}: {fault}")

    async def _ask(
        self,
        content: bytes,
        decode: Callable[[bytes], T],
        *,
        patient: bool = True,
        once: bool = False,
        again: bool = False,
    ) -> T:
        headers = {"Content-Type": self.codec.content_type}
        if self.fresh_connections:
            headers["Connection"] = "close"
        http = self.http
        answer = await http.ask(
            "POST", self.path, patient=patient, once=once, content=content, headers=headers
        )
        self._check(answer)
        try:
            return decode(answer.body)
        except Unusable as error:
            raise Unusable(
                f"{http.url} is not understood: check the address, or try later. {error}"
            ) from None
        except Fault as fault:
            if fault.forbidden:
                raise self._forbidden(str(fault)) from None
            if not fault.anonymous or http.credentials is None:
                raise
            if again or once:
                raise refused(http.url, http.credentials) from None
        # The site logs in by a form, or our cookie is too old.
        self.fresh_connections = True
        await http.sign_in(again=True)
        return await self._ask(content, decode, patient=patient, again=True)

    def _check(self, answer: Answer) -> None:
        check_login(self.http.url, answer, self.http.credentials)
        check_redirect(self.http.url, answer)
        if answer.status == HTTPStatus.FORBIDDEN:
            raise self._forbidden("the web server forbids it")
        kind = self.codec.content_type.removeprefix("application/")
        if (
            answer.status != HTTPStatus.OK
            or answer.html
            or kind not in answer.headers.get("content-type", "")
        ):
            raise NoPlugin(
                f"No Trac RPC answers at {self.http.url}: check the address; if it is right, the Trac needs"
                f" its XmlRpcPlugin installed and enabled ({self.path} answered {answer.status})."
            )

    def _forbidden(self, said: str) -> PermissionMissing:
        named = _PERMISSION.search(said)
        permission = named[1] if named else "XML_RPC"
        who = self.http.credentials
        user = who.user if who else "anonymous"
        login = "" if who else "Log in with `init --user NAME`, or with user in config.toml. "
        return PermissionMissing(
            f"{self.http.url} does not let {user!r} do this: {said.rstrip('.')}. {login}The Trac's"
            f" administrator can grant it with: trac-admin ENV permission add {user} {permission}"
        )


async def find(http: Http) -> tuple[Rpc, frozenset[str]]:
    """The plugin's best protocol at this Trac, and the methods that it has.

    One request where it speaks JSON-RPC. Raises TrackerError, in words that say what is missing.
    """
    login = "login/" if http.credentials else ""
    nothing: NoPlugin | None = None
    for name, codec in ENDPOINTS:
        rpc = Rpc(http, login + name, codec)
        try:
            methods = await rpc.call("system.listMethods")
        except NoPlugin as error:
            nothing = nothing or error
        else:
            if not isinstance(methods, list):
                raise TrackerError(f"{http.url} does not say which RPC methods it has.")
            rpc.fresh_connections = http.by_form
            return rpc, frozenset(str(method) for method in methods)
    assert nothing
    raise nothing
