"""Unpacking bodies piece by piece, so that a small answer cannot become a large one before anybody counts."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from fairlead.errors import InvalidInputError, NetworkError

ACCEPTED = "gzip, deflate"
"""What is asked for. Brotli and Zstandard are not: their readers are not part of Python before 3.14."""

_PIECE = 65_536
_MOST_MEMBERS = 1_000


class Plain:
    """A body that travels as it is."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        yield data

    def finish(self) -> None:
        """Nothing is left to check."""


class Inflating:
    """A gzip or deflate body. Pieces that come out have at most 64 KiB; a body that is cut short is an error."""

    def __init__(self, encoding: str) -> None:
        self._gzip = encoding == "gzip"
        self._inner = self._fresh(raw=False)
        self._begun = False
        self._members = 0

    def _fresh(self, *, raw: bool) -> zlib._Decompress:
        return zlib.decompressobj(16 + zlib.MAX_WBITS if self._gzip else (-zlib.MAX_WBITS if raw else zlib.MAX_WBITS))

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._inner.eof:
                # Several gzip members may follow each other; whatever else follows the end is padding.
                self._members += 1
                if not self._gzip or not data.startswith(b"\x1f\x8b") or self._members > _MOST_MEMBERS:
                    return
                self._inner = self._fresh(raw=False)
            piece = self._inflate(data)
            data = self._inner.unused_data if self._inner.eof else self._inner.unconsumed_tail
            self._begun = True
            if piece:
                yield piece

    def _inflate(self, data: bytes) -> bytes:
        try:
            return self._inner.decompress(data, _PIECE)
        except zlib.error as exc:
            if not self._begun and not self._gzip:
                # "deflate" should carry a zlib header (RFC 9110, 8.4.1.2), and some servers leave it out.
                self._inner, self._begun = self._fresh(raw=True), True
                return self._inflate(data)
            raise InvalidInputError(
                f"the packed body cannot be unpacked: {exc}.", remedy="The server is at fault.", field="content"
            ) from exc

    def finish(self) -> None:
        """Raises :class:`NetworkError` when the end of the body is missing."""
        if self._begun and not self._inner.eof:
            raise NetworkError("the packed body ended before its end.")


def make_decoder(encoding: str) -> Plain | Inflating:
    """What unpacks a body of this ``Content-Encoding``; an encoding that was not asked for is refused."""
    words = [word.strip().lower() for word in encoding.split(",") if word.strip()]
    words = [word.removeprefix("x-") for word in words if word != "identity"]
    if not words:
        return Plain()
    if len(words) == 1 and words[0] in ("gzip", "deflate"):
        return Inflating(words[0])
    raise InvalidInputError(
        f"the body is packed as {encoding[:60]!r}, which was not asked for.",
        remedy="The server is at fault.",
        field="content-encoding",
    )
