"""Who may ask, and what a browser may do with the answer.

A web page from elsewhere can make a browser ask a server on loopback. It cannot read the answer, unless its
own name has been made to lead here ("DNS rebinding"): so a request must be for a name that is ours. Other
than on loopback, whoever asks must show a secret: a password, or the token in the address that
`offtracfs web` prints. A cookie then stands for it.
"""

from __future__ import annotations

import hmac
import secrets
import socket
from collections.abc import Collection
from hashlib import sha256
from ipaddress import ip_address
from urllib.parse import urlencode

from flask import Request, Response
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import MethodNotAllowed, MisdirectedRequest, Unauthorized

from offtracfs.web.addresses import AT, FORMAT, address

TOKEN = "token"  # noqa: S105  # the name of the parameter that holds it
METHODS = ("GET", "HEAD")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server at that address or name."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Guard:
    """Lets requests through, or not.

    `host` is where the server listens, `names` are further names by which it may be asked; numeric addresses
    always are, since rebinding needs a name. `secret` is what whoever asks must show, "" for nothing.
    """

    def __init__(self, host: str = "127.0.0.1", names: Collection[str] = (), secret: str = "") -> None:
        own = {host, "localhost", *names}
        self._names = {name.lower() for name in (own if is_loopback(host) else own | {socket.gethostname()})}
        self._secret = secret
        self._key = secrets.token_bytes(32)

    def check(self, request: Request) -> Response | None:
        """An answer where there is to be no other one: a redirect that sets the cookie.

        Raises MethodNotAllowed, MisdirectedRequest, Unauthorized.
        """
        if request.method not in METHODS:
            raise MethodNotAllowed(METHODS, "This server only shows what is there: it takes GET and HEAD.")
        if not self._is_ours(request.headers.get("Host", "")):
            raise MisdirectedRequest("This server is not asked by that name: see `offtracfs web --help`.")
        if not self._secret:
            return None
        if _same(request.args.get(TOKEN, ""), self._secret):
            return self._admitted(request)
        cookie = request.cookies.get(_cookie_name(request), "")
        if _same(cookie, self._cookie()) or self._has_password(request):
            return None
        raise Unauthorized(
            "Use the address that `offtracfs web` printed, or its password with any name.",
            www_authenticate=WWWAuthenticate("basic", {"realm": "offtracfs"}),
        )

    def _is_ours(self, host: str) -> bool:
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
        name = name.removeprefix("[").removesuffix("]").lower()
        try:
            return bool(ip_address(name))
        except ValueError:
            return name in self._names

    def _has_password(self, request: Request) -> bool:
        given = request.authorization
        return given is not None and _same(given.password or "", self._secret)

    def _admitted(self, request: Request) -> Response:
        """The same address without the secret, and a cookie for it."""
        rest = [(name, value) for name, value in request.args.items(multi=True) if name != TOKEN]
        environ = request.environ
        answer = Response(status=302)
        answer.location = address(environ[AT], request.path, urlencode(rest), environ[FORMAT])
        name = _cookie_name(request)
        answer.set_cookie(name, self._cookie(), httponly=True, samesite="Lax", secure=request.is_secure)
        return answer

    def _cookie(self) -> str:
        return hmac.new(self._key, self._secret.encode(), sha256).hexdigest()


def _cookie_name(request: Request) -> str:
    """A browser keeps the cookies of all ports of a host together."""
    return f"offtracfs-{request.environ['SERVER_PORT']}"


def _same(given: str, known: str) -> bool:
    """Takes as long, whatever was given."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), known.encode())
