"""The client: one address to bytes, with every redirect checked, every size and time bounded, and every host spared."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

from fairlead.clock import Clock
from fairlead.errors import (
    FairleadError,
    ForbiddenError,
    InvalidInputError,
    NetworkError,
    RetryError,
    StepTimeoutError,
    UnavailableError,
)
from fairlead.pipeline.fetch.addresses import AddressRules, Resolve, Target, look_up, parse_target
from fairlead.pipeline.fetch.decoding import ACCEPTED, make_decoder
from fairlead.pipeline.fetch.failures import error_of_status, shown, wait_before
from fairlead.pipeline.fetch.limits import FetchLimits
from fairlead.pipeline.fetch.politeness import Hosts, Robots, Sleep

if TYPE_CHECKING:
    import httpcore2

AGENT = "Fairlead"
_USER_AGENT = f"{AGENT}/0.1 (content pipeline; respects robots.txt)"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ROBOTS_BYTES = 512_000
_LONGEST_REST = 3_600.0
T = TypeVar("T")


class Fetched(NamedTuple):
    """An answer. ``url`` is where it came from in the end, ``headers`` have names in lower case; ``not_modified`` says
    that the version asked about is still the current one, and then there is no body."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    not_modified: bool = False

    @property
    def content_type(self) -> str:
        """``text/html`` without its parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str:
        _, _, rest = self.headers.get("content-type", "").lower().partition("charset=")
        return rest.partition(";")[0].strip(" \"'")

    @property
    def etag(self) -> str:
        return self.headers.get("etag", "")[:512]

    @property
    def last_modified(self) -> str:
        return self.headers.get("last-modified", "")[:128]


class _Answer(NamedTuple):
    """The head of an answer, and its body still on the wire."""

    target: Target
    status: int
    headers: Mapping[str, str]
    pieces: AsyncIterator[bytes]


Sink = Callable[[bytes], Awaitable[None]]
MostBytes = int | Callable[[str], int]
"""A number of bytes, or a function from a content type to one."""


class Fetcher:
    """Fetches over HTTP, for one event loop. Use it in ``async with``, or close it.

    ``resolve`` looks names up, ``sleep`` waits, ``rng`` spreads waits; ``robots`` says whether robots.txt counts.
    Proxies of the environment are not used: behind one, nobody could check where a connection goes.
    """

    def __init__(
        self,
        clock: Clock,
        rng: random.Random,
        *,
        rules: AddressRules = AddressRules(),  # noqa: B008 - a named tuple never changes
        limits: FetchLimits = FetchLimits(),  # noqa: B008
        robots: bool = True,
        resolve: Resolve = look_up,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.limits = limits
        self._clock = clock
        self._rng = rng
        self._sleep = sleep
        self._hosts = Hosts(
            clock, sleep, per_host=limits.per_host, at_once=limits.at_once, longest_wait=limits.longest_wait
        )
        self._robots = Robots(clock, AGENT, self._read_robots) if robots else None
        self._rules = rules
        self._resolve = resolve
        self._pool: httpcore2.AsyncConnectionPool | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Ends what is in progress for robots.txt and closes every connection."""
        if self._robots is not None:
            await self._robots.aclose()
        if self._pool is not None:
            await self._pool.aclose()
            self._pool = None

    # ── what callers ask for ─────────────────────────────────────────────────────────────────────────────────

    async def get(
        self,
        address: str,
        *,
        accept: str = "*/*",
        etag: str = "",
        last_modified: str = "",
        most_bytes: MostBytes | None = None,
        robots: bool = True,
    ) -> Fetched:
        """The body at ``address``, unpacked. With ``etag`` or ``last_modified`` it may say that nothing changed."""
        headers = {"accept": accept}
        if etag:
            headers["if-none-match"] = etag
        if last_modified:
            headers["if-modified-since"] = last_modified
        most = self.limits.most_bytes if most_bytes is None else most_bytes

        async def once() -> Fetched:
            pieces: list[bytes] = []

            async def keep(piece: bytes) -> None:
                pieces.append(piece)

            answer = await self._follow(address, headers, most, keep, self.limits.total_seconds, robots)
            return answer._replace(body=b"".join(pieces))

        return await self._with_retries(once)

    async def download(self, address: str, path: Path, *, accept: str = "*/*") -> Fetched:
        """Writes the body at ``address`` to ``path``, a piece at a time; no file is left behind by a failure."""
        part = path.with_name(path.name + ".part")

        async def once() -> Fetched:
            with await asyncio.to_thread(part.open, "wb") as file:

                async def write(piece: bytes) -> None:
                    await asyncio.to_thread(file.write, piece)

                limits = self.limits
                return await self._follow(
                    address, {"accept": accept}, limits.most_media_bytes, write, limits.media_seconds, True
                )

        try:
            fetched = await self._with_retries(once)
            await asyncio.to_thread(part.replace, path)
        finally:
            await asyncio.to_thread(part.unlink, missing_ok=True)
        return fetched

    async def post(self, address: str, body: bytes, *, content_type: str) -> Fetched:
        """Sends ``body`` once: no redirect is followed and no failure is retried, since it may have been acted on.
        Any status comes back as it is. An error with ``fields['reached']`` false says that nothing was sent."""
        target = parse_target(address)
        pieces: list[bytes] = []
        headers = {"accept": "*/*", "content-type": content_type}
        async with self._bounded(self.limits.total_seconds, target), self._hosts.slot(target.host):
            async with self._exchange("POST", target, headers, body) as answer:
                async for piece in self._body_of(answer, self.limits.most_bytes):
                    pieces.append(piece)
                return Fetched(target.url, answer.status, answer.headers, b"".join(pieces))

    # ── attempts and redirects ───────────────────────────────────────────────────────────────────────────────

    async def _with_retries(self, once: Callable[[], Awaitable[T]]) -> T:
        attempt = 1
        while True:
            try:
                return await once()
            except RetryError as exc:
                wait = wait_before(attempt, exc, self._rng.random())
                if attempt >= self.limits.attempts or wait > self.limits.longest_wait:
                    raise
            attempt += 1
            await self._sleep(wait)

    async def _follow(
        self, address: str, headers: dict[str, str], most: MostBytes, sink: Sink, seconds: float, robots: bool
    ) -> Fetched:
        target = parse_target(address)
        for _ in range(self.limits.redirects + 1):
            await self._ask_robots(target, robots)
            async with self._hosts.slot(target.host), self._bounded(seconds, target):
                async with self._exchange("GET", target, headers) as answer:
                    if answer.status not in _REDIRECTS or "location" not in answer.headers:
                        return await self._take(answer, most, sink, conditional=len(headers) > 1)
                    target = parse_target(answer.headers["location"], base=target.url)
        raise ForbiddenError(
            f"{shown(address)} leads on more than {self.limits.redirects} times.",
            remedy="Give the address that it ends at.",
            url=shown(address),
        )

    async def _ask_robots(self, target: Target, asked: bool) -> None:
        if self._robots is not None and asked:
            spacing = await self._robots.check(target)
            if spacing:
                self._hosts.space(target.host, spacing)

    async def _take(self, answer: _Answer, most: MostBytes, sink: Sink, *, conditional: bool) -> Fetched:
        head = Fetched(answer.target.url, answer.status, answer.headers, b"")
        if answer.status == 304 and conditional:
            return head._replace(not_modified=True)
        if not 200 <= answer.status < 300:
            raise self._failure(answer)
        limit = most(head.content_type) if callable(most) else most
        async for piece in self._body_of(answer, limit):
            await sink(piece)
        return head

    def _failure(self, answer: _Answer) -> FairleadError:
        error = error_of_status(answer.status, answer.target.url, answer.headers, self._clock.now())
        if isinstance(error, RetryError) and "retry_after" in error.fields:
            self._hosts.rest(answer.target.host, min(error.fields["retry_after"], _LONGEST_REST))
        return error

    async def _read_robots(self, address: str) -> str | None:
        pieces: list[bytes] = []

        async def keep(piece: bytes) -> None:
            if sum(map(len, pieces)) < _ROBOTS_BYTES:
                pieces.append(piece)

        try:
            await self._follow(address, {"accept": "text/plain"}, _ROBOTS_BYTES * 4, keep, 20.0, False)
        except FairleadError as exc:
            # A site that says that it has no rules, or none for us, has none (RFC 9309, 2.3.1.3).
            if 400 <= exc.fields.get("status", 0) < 500 and exc.fields["status"] != 429:
                return None
            raise
        return b"".join(pieces)[:_ROBOTS_BYTES].decode("utf-8", "replace")

    # ── one exchange ─────────────────────────────────────────────────────────────────────────────────────────

    @asynccontextmanager
    async def _bounded(self, seconds: float, target: Target) -> AsyncIterator[None]:
        """The total time of one exchange, and what the wire's own errors mean."""
        import httpcore2

        where = shown(target.url)
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as exc:
            raise StepTimeoutError(f"{where} took more than {seconds:g} s in all.", url=where) from exc
        except httpcore2.ConnectTimeout as exc:
            raise StepTimeoutError(f"{where} could not be reached in time.", url=where, reached=False) from exc
        except httpcore2.TimeoutException as exc:
            raise StepTimeoutError(f"{where} fell silent for longer than allowed.", url=where) from exc
        except httpcore2.ProtocolError as exc:
            raise NetworkError(f"{where} does not keep to HTTP: {exc}.", url=where) from exc
        except httpcore2.ConnectError as exc:
            if "CERTIFICATE_VERIFY_FAILED" in str(exc):
                raise ForbiddenError(
                    f"{where} cannot prove that it is {target.host!r}: {exc}.",
                    remedy="Check the address; a certificate that is not valid is never accepted.",
                    url=where,
                ) from exc
            raise NetworkError(f"{where} could not be reached: {exc}.", url=where, reached=False) from exc
        except httpcore2.NetworkError as exc:
            raise NetworkError(
                f"the connection to {where} failed: {str(exc) or type(exc).__name__}.", url=where
            ) from exc
        except httpcore2.UnsupportedProtocol as exc:
            raise UnavailableError(f"{where} cannot be fetched: {exc}.", url=where) from exc

    @asynccontextmanager
    async def _exchange(
        self, method: str, target: Target, headers: Mapping[str, str], body: bytes | None = None
    ) -> AsyncIterator[_Answer]:
        import httpcore2

        limits = self.limits
        sent: dict[bytes | str, bytes | str] = {
            "host": target.origin.partition("://")[2],
            "user-agent": _USER_AGENT,
            "accept-encoding": ACCEPTED,
        }
        if body is not None:
            sent["content-length"] = str(len(body))
        sent.update(headers)
        # The parts go to the pool as they were parsed, so nothing reads the URL a second time and differently.
        url = httpcore2.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
        timeout = {"connect": limits.connect_seconds, "read": limits.idle_seconds, "write": limits.idle_seconds}
        async with self._open_pool().stream(
            method, url, headers=sent, content=body, extensions={"timeout": timeout}
        ) as response:
            found: dict[str, str] = {}
            for name, value in response.headers:
                found.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
            yield _Answer(target, response.status, found, response.aiter_stream())

    def _open_pool(self) -> httpcore2.AsyncConnectionPool:
        if self._pool is None:
            import httpcore2

            from fairlead.pipeline.fetch.wire import CheckedNetwork

            self._pool = httpcore2.AsyncConnectionPool(
                ssl_context=httpcore2.default_ssl_context(),
                max_connections=self.limits.at_once,
                max_keepalive_connections=self.limits.per_host,
                keepalive_expiry=15.0,
                network_backend=CheckedNetwork(self._rules, self._resolve),
            )
        return self._pool

    async def _body_of(self, answer: _Answer, most: int) -> AsyncIterator[bytes]:
        """The unpacked body. More than ``most`` bytes are refused as soon as they are announced or counted."""
        stated = answer.headers.get("content-length", "")
        if stated.isdigit() and int(stated[:18]) > most:
            raise _too_large(answer.target, f"{int(stated[:18]):,}", most)
        decoder = make_decoder(answer.headers.get("content-encoding", ""))
        travelled = unpacked = 0
        async for data in answer.pieces:
            travelled += len(data)
            if travelled > most:
                raise _too_large(answer.target, "more", most)
            for piece in decoder.feed(data):
                unpacked += len(piece)
                if unpacked > most:
                    raise _too_large(answer.target, "more, unpacked,", most)
                yield piece
        decoder.finish()


def _too_large(target: Target, size: str, most: int) -> InvalidInputError:
    return InvalidInputError(
        f"{shown(target.url)} has {size} bytes; at most {most:,} are fetched.",
        remedy="Raise the limit in sources.toml, or fetch it by other means and ingest the file.",
        field="size",
        url=shown(target.url),
    )
