"""The conformance suite of sources, and a source that lives in memory.

async def test_mine():
    await check_source(lambda: MySource(...), Case(address="https://...", holds=("https://...", ...)), folder)

``Case.address`` names something that holds at least two items; ``items`` their addresses, newest first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from fairlead.errors import NotFoundError, RefusedError
from fairlead.pipeline.sources.port import (
    KINDS,
    ORIGINS,
    START,
    Discovery,
    Found,
    Position,
    Record,
    Source,
    Transcript,
)
from fairlead.pipeline.sources.watching import choose


class Case(NamedTuple):
    """What a source is asked for by the suite.

    ``address`` holds items, whose addresses are ``items``, newest first; ``foreign`` is an address that the source
    does not answer for; ``missing`` one that it answers for and finds nothing at ("" to leave that check out).
    ``silent`` says that the items have no words of their own, ``media`` that they have media.
    """

    address: str
    items: tuple[str, ...]
    foreign: str = "gopher://nobody.invalid/"
    missing: str = ""
    silent: bool = False
    media: bool = False


Check = Callable[[Source, Case, Path], Awaitable[None]]


async def check_source(make: Callable[[], Source], case: Case, folder: Path) -> None:
    """Runs every check on a source of its own; raises AssertionError at the first that fails."""
    for check in CHECKS:
        try:
            await check(make(), case, folder)
        except AssertionError as exc:
            raise AssertionError(f"{check.__name__}: {exc}") from exc


async def it_answers_for_its_own_addresses_only(source: Source, case: Case, folder: Path) -> None:
    assert source.name and source.name == source.name.lower(), f"the name is {source.name!r}"
    for address in (case.address, *case.items):
        assert source.accepts(address), f"{address!r} is not accepted"
    assert not source.accepts(case.foreign), f"{case.foreign!r} is accepted"
    assert not source.accepts(""), "the empty address is accepted"


async def it_finds_the_newest_first(source: Source, case: Case, folder: Path) -> None:
    found = await source.discover(case.address)
    assert tuple(item.url for item in found.items) == case.items, f"found {[i.url for i in found.items]}"
    assert len({item.external_id for item in found.items}) == len(case.items), "ids are not unique"
    times = [item.published_at for item in found.items if item.published_at is not None]
    assert times == sorted(times, reverse=True), f"times do not fall: {times}"
    assert found.position.last_seen == found.items[0].external_id, f"last seen is {found.position.last_seen!r}"


async def it_stops_at_what_was_seen(source: Source, case: Case, folder: Path) -> None:
    first = await source.discover(case.address)
    again = await source.discover(case.address, first.position)
    assert again.items == (), f"a second look found {again.items}"
    assert again.position.last_seen == first.position.last_seen, "a second look lost the place"
    earlier = Position(last_seen=first.items[1].external_id)
    newer = await source.discover(case.address, earlier)
    assert newer.items == first.items[:1], f"after the second newest it found {newer.items}"


async def it_keeps_to_the_limit(source: Source, case: Case, folder: Path) -> None:
    found = await source.discover(case.address, START, 1)
    assert len(found.items) == 1, f"a limit of one gave {len(found.items)}"
    assert found.items[0].url == case.items[0], "a limit of one did not give the newest"


async def an_item_finds_itself(source: Source, case: Case, folder: Path) -> None:
    found = await source.discover(case.items[0])
    assert [item.url for item in found.items] == [case.items[0]], f"an item found {found.items}"


async def a_record_is_whole(source: Source, case: Case, folder: Path) -> None:
    for item in (await source.discover(case.address)).items:
        record = await source.metadata(item.url)
        assert record.source == source.name, f"the record is of {record.source!r}"
        assert record.external_id == item.external_id, f"{record.external_id!r} was found as {item.external_id!r}"
        assert record.title and record.url, f"no title or URL: {record}"
        assert record.kind in KINDS, f"the kind is {record.kind!r}"
        assert record.published_at is None or record.published_at > 0, f"published at {record.published_at}"
        assert record.duration_seconds is None or record.duration_seconds >= 0, f"lasts {record.duration_seconds}"
        assert all(isinstance(part, str) for part in (*record.tags, *record.thumbnails)), "tags are not text"
        assert await source.metadata(item.url) == record, "asked twice, two records came"


async def words_come_as_they_are(source: Source, case: Case, folder: Path) -> None:
    record = await source.metadata(case.items[0])
    transcript = await source.transcript(case.items[0], record)
    if case.silent:
        assert transcript is None, "words came from an item without any"
        return
    assert transcript is not None and transcript.content, "no words came"
    assert isinstance(transcript.content, bytes), "the words are not bytes"
    assert transcript.format and transcript.format == transcript.format.lower(), f"format {transcript.format!r}"
    assert transcript.origin in ORIGINS, f"the origin is {transcript.origin!r}"


async def media_stay_in_the_folder(source: Source, case: Case, folder: Path) -> None:
    target = folder / "media"
    target.mkdir(exist_ok=True)
    record = await source.metadata(case.items[0])
    if not case.media:
        try:
            path = await source.media(case.items[0], record, target)
        except RefusedError:
            return
        raise AssertionError(f"media came from an item without any: {path}")
    path = await source.media(case.items[0], record, target)
    assert path.is_file() and path.stat().st_size > 0, f"{path} holds nothing"
    assert path.resolve().is_relative_to(target.resolve()), f"{path} lies outside of {target}"


async def what_is_not_there_is_said(source: Source, case: Case, folder: Path) -> None:
    if not case.missing:
        return
    try:
        record = await source.metadata(case.missing)
    except RefusedError as exc:
        assert exc.remedy, f"no remedy: {exc}"
        return
    raise AssertionError(f"a record came for what is not there: {record}")


async def many_at_once_agree(source: Source, case: Case, folder: Path) -> None:
    records = await asyncio.gather(*(source.metadata(case.items[0]) for _ in range(8)))
    assert len(set(records)) == 1, "at once, different records came"


CHECKS: tuple[Check, ...] = (
    it_answers_for_its_own_addresses_only,
    it_finds_the_newest_first,
    it_stops_at_what_was_seen,
    it_keeps_to_the_limit,
    an_item_finds_itself,
    a_record_is_whole,
    words_come_as_they_are,
    media_stay_in_the_folder,
    what_is_not_there_is_said,
    many_at_once_agree,
)


class MemorySource:
    """Items that are given to it, under addresses of ``memory://place/id``; the first given is the newest.

    ``calls`` counts what was asked, so that a test can tell what an engine fetched; ``errors`` holds what an address
    raises instead of answering, as often as it is listed.
    """

    name = "memory"

    def __init__(self, place: str = "shelf", items: Sequence[tuple[Record, bytes, str]] = ()) -> None:
        self.place = place
        self.items = [(record, content, form) for record, content, form in items]
        self.calls: dict[str, int] = {}
        self.errors: dict[str, list[Exception]] = {}

    def put(self, external_id: str, content: bytes, *, format: str = "text", **fields: object) -> Record:  # noqa: A002
        """Adds an item as the newest, or changes the one of that id where it is."""
        url = f"memory://{self.place}/{external_id}"
        record = Record(**{"source": self.name, "external_id": external_id, "url": url, "title": external_id, **fields})  # type: ignore[arg-type]
        for index, (known, _, _) in enumerate(self.items):
            if known.external_id == external_id:
                self.items[index] = (record, content, format)
                return record
        self.items.insert(0, (record, content, format))
        return record

    def accepts(self, address: str) -> bool:
        return address == f"memory://{self.place}" or address.startswith(f"memory://{self.place}/")

    async def discover(self, address: str, position: Position = START, limit: int = 50) -> Discovery:
        self._called("discover", address)
        if address != f"memory://{self.place}":
            records = [self._item(address)[0]]
        else:
            records = [record for record, _, _ in self.items]
        listed = [Found(r.external_id, r.url, r.title, r.published_at) for r in records]
        return choose(listed, position, limit=limit)

    async def metadata(self, address: str) -> Record:
        self._called("metadata", address)
        return self._item(address)[0]

    async def transcript(self, address: str, record: Record) -> Transcript | None:
        self._called("transcript", address)
        _, content, form = self._item(address)
        return Transcript(form, content, record.language, "file") if form else None

    async def media(self, address: str, record: Record, folder: Path) -> Path:
        self._called("media", address)
        raise NotFoundError(f"{address!r} has no media.", remedy="Use its text.", address=address)

    def _called(self, what: str, address: str) -> None:
        self.calls[what] = self.calls.get(what, 0) + 1
        waiting = self.errors.get(address)
        if waiting:
            raise waiting.pop(0)

    def _item(self, address: str) -> tuple[Record, bytes, str]:
        for item in self.items:
            if item[0].url == address:
                return item
        raise NotFoundError(f"there is nothing at {address!r}.", remedy="Put it there first.", address=address)
