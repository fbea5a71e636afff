"""Which addresses may be reached: parsing URLs strictly, and telling public addresses from all others.

A name is looked up here and the connection goes to the address that was checked, so that a name server cannot give one
answer to the check and another to the connection. The networks are those of the IANA special-purpose registries
(RFC 6890 and its updates); IPv6 addresses that carry an IPv4 address are judged by it as well.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from fairlead.errors import ForbiddenError, InvalidInputError, NetworkError, NotFoundError
from fairlead.pipeline.fetch.failures import shown
from fairlead.pipeline.text.wordset import word_set

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Looks a name up: (name, port) to addresses, in the order in which they should be tried."""

LONGEST_URL = 8_192
_PORTS = {"http": 80, "https": 443}

_SPECIAL_V4 = tuple(
    map(
        IPv4Network,
        word_set(
            """
            0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
            192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15
            198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
            """
        ),
    )
)
_PUBLIC_V6 = IPv6Network("2000::/3")
_SPECIAL_V6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
_NAT64 = IPv6Network("64:ff9b::/96")

_LAST_LABEL_IS_NUMBER = re.compile(r"(?:^|\.)(?:\d+|0[xX][0-9a-fA-F]*)\.?$")
_PLAIN_QUAD = re.compile(r"(?:(?:0|[1-9]\d{0,2})\.){3}(?:0|[1-9]\d{0,2})")
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?\.?", re.IGNORECASE)
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f\\]")


class AddressRules(NamedTuple):
    """What may be reached besides public addresses: ``allowed`` networks, none unless stated."""

    allowed: tuple[Network, ...] = ()

    def allows(self, address: Address) -> bool:
        """Whether a connection may go to the address."""
        return is_public(address) or self.names(address)

    def names(self, address: Address) -> bool:
        """Whether the address is in a network that was allowed by hand."""
        return any(address.version == network.version and address in network for network in self.allowed)


def make_rules(networks: Iterable[str]) -> AddressRules:
    """Rules that allow the networks besides public addresses; ``127.0.0.0/8``, ``10.1.2.3``, ``fd00::/8``."""
    allowed: list[Network] = []
    for text in networks:
        try:
            allowed.append(ip_network(text.strip(), strict=False))
        except ValueError as exc:
            raise InvalidInputError(
                f"allow_private has {text!r}, which is no network: {exc}.",
                remedy="Write it as 192.168.0.0/16 or 127.0.0.1.",
                field="allow_private",
                value=text,
            ) from exc
    return AddressRules(tuple(allowed))


def is_public(address: Address) -> bool:
    """Whether the address is one that anybody may reach over the internet."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_V4)
    inner = address.ipv4_mapped or (IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None)
    if inner is not None:
        return is_public(inner)
    return address in _PUBLIC_V6 and not any(address in network for network in _SPECIAL_V6)


class Target(NamedTuple):
    """A URL taken apart by the one parser that is also used to request it. ``path`` holds the query too."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")

    @property
    def url(self) -> str:
        return self.origin + self.path


def parse_target(address: str, *, base: str = "") -> Target:
    """The parts of a URL, or :class:`InvalidInputError`. With ``base`` a relative one is joined to it first."""
    import httpx2

    if len(address) > LONGEST_URL:
        raise _unusable(address[:200], f"it has {len(address):,} characters; at most {LONGEST_URL:,} are taken")
    # What is outside ASCII is left to the parser; what it would drop or change in silence is refused before.
    if not base and _UNPRINTABLE.search(address.strip()):
        raise _unusable(address, "it holds a blank, a control character or a backslash")
    try:
        url = httpx2.URL(address.strip())
        if base:
            url = httpx2.URL(base).join(url)
    except (httpx2.InvalidURL, UnicodeError, ValueError, TypeError) as exc:
        raise _unusable(address, str(exc)) from exc
    if url.scheme not in _PORTS:
        raise _unusable(address, f"its scheme is {url.scheme!r}; only http and https are fetched")
    if url.userinfo:
        raise _unusable(address, "it holds a name or password; those are not sent")
    try:
        host = url.raw_host.decode("ascii").lower()
    except UnicodeError as exc:
        raise _unusable(address, "its host is no name") from exc
    if not host:
        raise _unusable(address, "it has no host")
    _check_host(address, host)
    port = _PORTS[url.scheme] if url.port is None else url.port
    if not 0 < port < 65_536:
        raise _unusable(address, f"it has port {port}")
    return Target(url.scheme, host, port, url.raw_path.decode("ascii") or "/")


def _check_host(address: str, host: str) -> None:
    if ":" in host:
        try:
            IPv6Address(host)
        except ValueError as exc:
            raise _unusable(address, f"its host is no IPv6 address: {exc}") from exc
        return
    if not _HOST.fullmatch(host) or ".." in host or len(host) > 253:
        raise _unusable(address, "its host is no name")
    if _LAST_LABEL_IS_NUMBER.search(host) and not _PLAIN_QUAD.fullmatch(host):
        raise _unusable(address, "its host is an IP address in an unusual spelling")


def _unusable(address: str, why: str) -> InvalidInputError:
    return InvalidInputError(
        f"the address {shown(address)!r} cannot be used: {why}.",
        remedy="Give an http or https URL as a browser shows it.",
        field="address",
    )


async def look_up(host: str, port: int) -> list[str]:
    """The machine's own name lookup, off the event loop."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def checked_addresses(host: str, port: int, rules: AddressRules, resolve: Resolve) -> list[str]:
    """The addresses of a host that may be connected to, at least one; otherwise an error that says why."""
    try:
        literal = ip_address(host)
    except ValueError:
        literal = None
    try:
        answers = [str(literal)] if literal is not None else await resolve(host, port)
    except socket.gaierror as exc:
        if exc.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
            raise NotFoundError(f"there is no host {host!r}.", remedy="Check the address.", host=host) from exc
        raise NetworkError(f"the name {host!r} could not be looked up: {exc.strerror}.", host=host) from exc
    except (OSError, UnicodeError) as exc:
        raise NetworkError(f"the name {host!r} could not be looked up: {exc}.", host=host) from exc
    addresses = [ip_address(answer.partition("%")[0]) for answer in answers]
    allowed = [address for address in addresses if rules.allows(address)]
    if not allowed:
        places = ", ".join(map(str, addresses[:3])) or "nothing"
        raise ForbiddenError(
            f"{host!r} leads to {places}, which is not a public address.",
            remedy="If this machine may fetch from there, name the network under allow_private in sources.toml.",
            host=host,
        )
    if port not in (80, 443) and port < 1024 and not all(rules.names(address) for address in allowed):
        raise ForbiddenError(
            f"port {port} of {host!r} belongs to another service than the web.",
            remedy="Use a URL of a web server, or name its network under allow_private in sources.toml.",
            host=host,
            port=port,
        )
    return [str(address) for address in allowed]
