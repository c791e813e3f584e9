"""Answers of servers, proxies and networks that fail: for `StandInTrac.faults` and `.always`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import httpx
import trio

from tests.standin import Answerer

JSON = {"Content-Type": "application/json"}


class _Stream(httpx.AsyncByteStream):
    """A body that is made while it is read."""

    def __init__(self, chunks: Callable[[], AsyncIterator[bytes]]) -> None:
        self._chunks = chunks

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks()


def body(content: bytes, kind: str = "application/json") -> Answerer:
    """A success with just these bytes."""
    return lambda _: httpx.Response(200, content=content, headers={"Content-Type": kind})


def status(code: int, **headers: str) -> Answerer:
    """A page with this status; underscores in header names stand for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    page = b"<html><title>Service\x1b[31m trouble</title></html>"
    return lambda _: httpx.Response(code, content=page, headers={"Content-Type": "text/html", **named})


def cut(answer: Answerer, share: float = 0.5) -> Answerer:
    """Another answer whose body ends early, as if that were all."""

    def answer_half(request: httpx.Request) -> httpx.Response:
        whole = answer(request)
        content = whole.content[: int(len(whole.content) * share)]
        return httpx.Response(200, content=content, headers={"Content-Type": whole.headers["content-type"]})

    return answer_half


def dies(_: httpx.Request) -> httpx.Response:
    """The connection is closed in the middle of an answer."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"result": ['
        raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")

    return httpx.Response(200, stream=_Stream(chunks), headers=JSON)


def unreachable(_: httpx.Request) -> httpx.Response:
    """Nothing listens there."""
    raise httpx.ConnectError("All connection attempts failed")


def huge(size: int) -> Answerer:
    """An answer of that many bytes, made while it is read."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(size // 2**20):
            yield b" " * 2**20
            await trio.lowlevel.checkpoint()

    return lambda _: httpx.Response(200, stream=_Stream(chunks), headers=JSON)


def slow(seconds: float, answer: Answerer) -> Answerer:
    """Another answer, all of it but the first byte so many seconds late."""

    def answer_late(request: httpx.Request) -> httpx.Response:
        whole = answer(request)

        async def chunks() -> AsyncIterator[bytes]:
            yield whole.content[:1]
            await trio.sleep(seconds)
            yield whole.content[1:]

        return httpx.Response(whole.status_code, stream=_Stream(chunks), headers=JSON)

    return answer_late


async def _forever() -> AsyncIterator[bytes]:
    while True:
        yield b" "
        await trio.sleep(10)


def endless(_: httpx.Request) -> httpx.Response:
    """A byte every ten seconds, for ever."""
    return httpx.Response(200, stream=_Stream(_forever), headers=JSON)


def in_bytes(answer: Answerer) -> Answerer:
    """Another answer, a byte at a time."""

    def answer_slowly(request: httpx.Request) -> httpx.Response:
        whole = answer(request)

        async def chunks() -> AsyncIterator[bytes]:
            for value in whole.content:
                yield bytes([value])

        headers = {"Content-Type": whole.headers["content-type"]}
        return httpx.Response(whole.status_code, stream=_Stream(chunks), headers=headers)

    return answer_slowly
