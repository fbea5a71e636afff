"""The connection itself: looked up, checked, and made to the very address that was checked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import httpcore2

from fairlead.pipeline.fetch.addresses import AddressRules, Resolve, checked_addresses

_MOST_TRIED = 4


class CheckedNetwork(httpcore2.AsyncNetworkBackend):
    """Connects to public and allowed addresses only.

    The pool keeps speaking of the host by its name, so certificates are checked against the name; which address is
    connected to is decided here, once per connection.
    """

    def __init__(self, rules: AddressRules, resolve: Resolve) -> None:
        self._rules = rules
        self._resolve = resolve
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                addresses = await checked_addresses(host, port, self._rules, self._resolve)
        except TimeoutError as exc:
            raise httpcore2.ConnectTimeout(f"looking up {host!r} took more than {timeout} s") from exc
        failure: Exception | None = None
        for address in addresses[:_MOST_TRIED]:
            try:
                return await self._inner.connect_tcp(address, port, timeout, None, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as exc:
                failure = exc
        assert failure is not None
        raise failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        raise httpcore2.ConnectError("sockets of this machine are not connected to")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)
