"""Videos through yt-dlp: recorded answers through a real subprocess, the real program, and programs that misbehave."""

from __future__ import annotations

import asyncio
import json
import lzma
import os
import random
import sys
import textwrap
from collections.abc import Awaitable, Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.clock import SystemClock
from fairlead.errors import (
    FairleadError,
    ForbiddenError,
    InvalidInputError,
    MissingDependencyError,
    NetworkError,
    NotFoundError,
    RateLimitedError,
    StepTimeoutError,
    UnavailableError,
)
from fairlead.pipeline.fetch import Fetcher, make_rules
from fairlead.pipeline.parsing import parse_bytes
from fairlead.pipeline.sources import DocumentRef
from fairlead.pipeline.sources.moments import link_at
from fairlead.pipeline.sources.programs import run_program
from fairlead.pipeline.sources.speech import Listener, captions, listener_of
from fairlead.pipeline.sources.video import (
    TIKTOK,
    TWITCH,
    YOUTUBE,
    Platform,
    VideoOptions,
    VideoSource,
    find_program,
    listing_address,
)
from fairlead.pipeline.sources.video_facts import choose_captions, error_of, found_of, record_of
from fairlead.testing.site import Site
from fairlead.testing.sources import Case, check_source

T = TypeVar("T")


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


@pytest.fixture
def recorded(shared_data: Path) -> Callable[[str], dict[str, Any]]:
    def read(name: str) -> dict[str, Any]:
        path = shared_data / "cap-ytdlp-metadata" / name
        data = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
        value: dict[str, Any] = json.loads(data)
        return value

    return read


def stand_in(folder: Path, body: str) -> tuple[str, ...]:
    """A program that is started as yt-dlp is; ``args`` are its words and ``url`` the last of them."""
    script = folder / "stand_in.py"
    head = "import json, os, sys, time\nargs = sys.argv[1:]\nurl = args[-1]\n"
    script.write_text(head + textwrap.dedent(body), "utf-8")
    return (sys.executable, "-S", str(script))


def answering(folder: Path, answers: dict[str, Any]) -> tuple[str, ...]:
    """A stand-in that prints the recorded answer for an address, and writes media when it is told to."""
    (folder / "answers.json").write_text(json.dumps(answers), "utf-8")
    return stand_in(
        folder,
        f"""
        if "--no-simulate" in args:
            open("media.m4a", "wb").write(b"sound")
            sys.exit(0)
        answers = json.load(open({str(folder / "answers.json")!r}))
        if url not in answers:
            sys.exit("ERROR: [youtube] x: Video unavailable. This video has been removed by the uploader")
        print(json.dumps(answers[url]))
        """,
    )


def video(
    use: Callable[[VideoSource], Awaitable[T]],
    program: tuple[str, ...],
    platform: Platform = YOUTUBE,
    **options: Any,
) -> T:
    async def run() -> T:
        async with Fetcher(SystemClock(), random.Random(1), rules=make_rules(["127.0.0.0/8"])) as fetcher:
            return await use(
                VideoSource(platform, fetcher, SystemClock(), options=VideoOptions(**options), program=program)
            )

    return asyncio.run(run())


WATCH = "https://www.youtube.com/watch?v=JjQDik3yNhA"


# ── recorded answers ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_recorded_channel_keeps_the_suite(
    tmp_path: Path, site: Site, recorded: Callable[[str], dict[str, Any]], shared_data: Path
) -> None:
    newer, older = recorded("metadata_2023-06-29.json.xz"), recorded("metadata_low_formats.json")
    newer["timestamp"] = SystemClock().now() - 86_400
    site.put("/vtt", (shared_data / "cap-w3c-ml-vtt" / "ac_encoding.vtt").read_bytes(), "text/vtt")
    newer["subtitles"] = {"en": [{"ext": "vtt", "url": site.url("/vtt")}]}
    flat = [{"_type": "url", "id": v["id"], "url": v["webpage_url"], "title": v["title"]} for v in (newer, older)]
    tabs = {"_type": "playlist", "entries": [{"_type": "playlist", "entries": flat}], "extractor": "youtube:tab"}
    listing = "https://www.youtube.com/@MentalOutlaw/videos"
    answers = {listing: tabs, newer["webpage_url"]: newer, older["webpage_url"]: older}
    program = answering(tmp_path, answers)
    case = Case(
        "https://www.youtube.com/@MentalOutlaw",
        (newer["webpage_url"], older["webpage_url"]),
        missing="https://www.youtube.com/watch?v=gonegonegon",
        media=True,
    )

    async def use(source: VideoSource) -> None:
        await check_source(
            lambda: VideoSource(YOUTUBE, source._fetcher, SystemClock(), program=program), case, tmp_path
        )

    video(use, program)


def test_a_recorded_video_is_one_record(tmp_path: Path, recorded: Callable[[str], dict[str, Any]]) -> None:
    info = recorded("metadata_2023-06-29.json.xz")
    record = video(lambda source: source.metadata(WATCH), answering(tmp_path, {WATCH: info}))
    assert (record.source, record.external_id, record.url) == ("youtube", "JjQDik3yNhA", WATCH)
    assert record.title == "This is Why Nintendo Shutdown the Miiverse"
    assert (record.creator, record.creator_id) == ("Mental Outlaw", "UC7YOGHUfC1Tb6E4pudI9STA")
    assert (record.duration_seconds, record.language, record.kind) == (968.0, "en", "video")
    assert record.published_at == 1659657600.0 and record.thumbnails[0].startswith("https://i.ytimg.com/")


@pytest.mark.parametrize(
    ("name", "identity", "title", "creator", "published"),
    [
        ("metadata.json", "no fancy stuff", "no fancy stuff title", "test uploader", 1505088000.0),
        ("metadata_low_formats.json", "gogEJyoSB9s",
         "Group Therapy 487 with Above & Beyond and Ruben de Ronde", "Above & Beyond", 1655488789.0),
        ("metadata_60fps.json", "60fps", "60fps", "", 1573430400.0),
        ("metadata_issue_499_premium.json", "a" * 16, "Test", "u", 1710633600.0),
        ("minimal_metadata.json", "a" * 16, "a" * 16, "", None),
    ],
)  # fmt: skip
def test_every_recorded_shape_is_read(
    recorded: Callable[[str], dict[str, Any]],
    name: str,
    identity: str,
    title: str,
    creator: str,
    published: float | None,
) -> None:
    record = record_of(recorded(name), "youtube", WATCH)
    if identity == "a" * 16:
        # What has no id is known by its address.
        assert len(record.external_id) == 16 and record.url == WATCH
        title = record.external_id if title == "a" * 16 else title
    else:
        assert record.external_id == identity
    assert (record.title, record.creator, record.published_at) == (title, creator, published)


def test_captions_of_a_recorded_video_lead_to_the_second(
    tmp_path: Path, site: Site, recorded: Callable[[str], dict[str, Any]]
) -> None:
    info = recorded("metadata_2023-06-29.json.xz")
    said = ["the miiverse was", "the place where children drew", "the pictures they liked."]
    events = [
        {"tStartMs": 4000 + 2000 * n, "dDurationMs": 3000, "segs": [{"utf8": word + " "} for word in line.split()]}
        for n, line in enumerate(said)
    ]
    events.insert(1, {"tStartMs": 5900, "aAppend": 1, "segs": [{"utf8": "\n"}]})
    site.put("/timedtext", json.dumps({"wireMagic": "pb3", "events": events}).encode(), "application/json")
    for tracks in info["automatic_captions"].values():
        for track in tracks:
            query = track["url"].partition("?")[2]
            track["url"] = site.url(f"/timedtext?{query}")
    # Translations are not what was said: whichever is taken must be the spoken one.
    site.put("/robots.txt", b"User-agent: *\nDisallow: /", "text/plain")

    async def use(source: VideoSource) -> None:
        record = await source.metadata(WATCH)
        transcript = await source.transcript(WATCH, record)
        assert transcript is not None
        assert (transcript.format, transcript.language, transcript.origin) == ("json3", "en", "automatic")
        ref = DocumentRef("doc-1", record.title, transcript.format, origin=record.url)
        document = parse_bytes(ref, transcript.content, transcript.format)
        assert document.text == "the miiverse was the place where children drew the pictures they liked."
        assert link_at(record.url, document.segments[0].start_s) == f"{WATCH}&t=4s"

    video(use, answering(tmp_path, {WATCH: info}))
    (asked,) = site.paths
    assert "tlang" not in asked


def _track(language: str, ext: str = "vtt", **more: Any) -> dict[str, list[dict[str, Any]]]:
    return {language: [{"ext": ext, "url": f"https://x/{language}.{ext}", **more}]}


@pytest.mark.parametrize(
    ("people", "machine", "language", "wanted", "chosen"),
    [
        (_track("de") | _track("en"), _track("en-orig"), "en", (), ("en", False)),
        (_track("de") | _track("en"), {}, "en", ("de",), ("de", False)),
        (_track("en-GB"), {}, "en", (), ("en-GB", False)),
        ({}, _track("en") | _track("de") | _track("de-orig"), "", (), ("de", True)),
        ({}, _track("en") | _track("de"), "de", (), ("de", True)),
        ({}, _track("en") | _track("de"), "", (), None),
        ({}, _track("fr"), "", (), ("fr", True)),
        (_track("fr"), {}, "", (), ("fr", False)),
        (_track("fr"), _track("en-orig"), "en", (), ("en", True)),
        (_track("live_chat", "json"), {}, "en", (), None),
        (_track("en", "ttml"), {}, "en", (), None),
        (_track("en", protocol="m3u8_native"), {}, "en", (), None),
        ({"en": "nonsense"}, {"de": [5, {"ext": "vtt"}]}, "en", (), None),
        ([], "nonsense", "en", (), None),
    ],
)
def test_which_captions_are_chosen(
    people: Any, machine: Any, language: str, wanted: tuple[str, ...], chosen: tuple[str, bool] | None
) -> None:
    found = choose_captions({"subtitles": people, "automatic_captions": machine}, language, wanted)
    assert (found and (found.language, found.automatic)) == chosen


def test_channel_streamer_clip_and_creator_are_one_record() -> None:
    clip = {
        "id": "AwkwardHelpless", "extractor": "twitch:clips", "title": "A save", "channel": "harbour_live",
        "channel_id": "77", "uploader": "somebody who cut it", "timestamp": 1_700_000_000, "duration": 28,
        "webpage_url": "https://clips.twitch.tv/AwkwardHelpless",
    }  # fmt: skip
    record = record_of(clip, "twitch", clip["webpage_url"])
    assert (record.kind, record.creator, record.creator_id) == ("clip", "harbour_live", "77")
    short = {
        "id": "7", "extractor": "TikTok", "title": "Knots", "uploader": "ada", "uploader_id": "12",
        "webpage_url": "https://www.tiktok.com/@ada/video/7", "tags": ["knots", 5, "rope"],
    }  # fmt: skip
    record = record_of(short, "tiktok", short["webpage_url"])
    assert (record.kind, record.creator, record.tags) == ("video", "ada", ("knots", "rope"))
    stream = {"id": "v1", "extractor": "twitch:vod", "title": "Night", "uploader": "Harbour", "language": None}
    assert record_of(stream, "twitch", "https://www.twitch.tv/videos/1").url == "https://www.twitch.tv/videos/1"


@pytest.mark.parametrize(
    ("address", "listing"),
    [
        ("https://www.youtube.com/@ada", "https://www.youtube.com/@ada/videos"),
        ("https://youtube.com/channel/UC1/", "https://www.youtube.com/channel/UC1/videos"),
        ("https://www.youtube.com/@ada/streams", "https://www.youtube.com/@ada/streams"),
        (WATCH, WATCH),
        ("https://www.twitch.tv/ada", "https://www.twitch.tv/ada/videos"),
        ("https://www.twitch.tv/videos/1", "https://www.twitch.tv/videos/1"),
        ("https://clips.twitch.tv/x", "https://clips.twitch.tv/x"),
        ("http://[::1", "http://[::1"),
    ],
)
def test_where_a_channel_lists_its_videos(address: str, listing: str) -> None:
    assert listing_address(address) == listing


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
_WORDS = """
id title channel uploader timestamp upload_date duration thumbnails tags entries subtitles automatic_captions
webpage_url url language extractor description _type
"""
_KEYS = st.sampled_from(_WORDS.split())


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(_KEYS, _JSON, max_size=8))
def test_no_answer_breaks_the_reading(info: dict[str, Any]) -> None:
    record = record_of(info, "youtube", WATCH)
    assert record.external_id and record.title and record.url.startswith("http")
    assert len(list(found_of(info, WATCH))) < 10_000
    choose_captions(info, record.language, ("en",))


# ── programs that misbehave ──────────────────────────────────────────────────────────────────────────────────


def test_an_address_is_never_an_option(tmp_path: Path) -> None:
    program = stand_in(tmp_path, f"open({str(tmp_path / 'args')!r}, 'w').write(json.dumps(args)); print('{{}}')")
    address = "https://www.youtube.com/watch?v=--exec%20touch+x&--output=/etc/x"
    video(lambda source: source.metadata(address), program)
    words = json.loads((tmp_path / "args").read_text("utf-8"))
    assert words.index("--") == len(words) - 2 and words[-1] == address and "--ignore-config" in words
    for bad in ("--exec=touch x", "-", "ytsearch:x", "file:///etc/passwd", "https://evil.example/", "https:--exec"):
        with pytest.raises(InvalidInputError):
            video(lambda source, bad=bad: source.metadata(bad), program)  # type: ignore[misc]


def test_a_program_gets_no_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    program = stand_in(tmp_path, "print(json.dumps({'id': 'x', 'title': ' '.join(sorted(os.environ))}))")
    assert "OPENAI_API_KEY" not in video(lambda source: source.metadata(WATCH), program).title


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("print('no json')", InvalidInputError),
        ("print('[1, 2]')", InvalidInputError),
        ("print('null')", InvalidInputError),
        ("pass", InvalidInputError),
        ("print('[' * 100000)", InvalidInputError),
        ('print(\'{"_type": "playlist", "entries": []}\')', InvalidInputError),
        ("sys.stdout.buffer.write(bytes(range(256)))", InvalidInputError),
        ("\nwhile True: sys.stdout.write('x' * 65536)", InvalidInputError),
        ("\nwhile True: sys.stderr.write('x' * 65536)", StepTimeoutError),
        ("time.sleep(3600)", StepTimeoutError),
        ("os.kill(os.getpid(), 9)", UnavailableError),
        ("sys.exit('ERROR: HTTP Error 429: Too Many Requests')", RateLimitedError),
        ("sys.exit('ERROR: [youtube] x: Private video. Sign in if you have been granted access')", ForbiddenError),
        ("sys.exit('ERROR: [youtube] x: Video unavailable')", NotFoundError),
        ("sys.exit('ERROR: Unable to download webpage: <urlopen error timed out>')", NetworkError),
        ("sys.exit('ERROR: Unsupported URL: https://x/?token=hunter2hunter2')", InvalidInputError),
        ("sys.exit('ERROR: something nobody has seen yet')", UnavailableError),
    ],
)
def test_what_a_program_may_do(tmp_path: Path, body: str, kind: type[FairleadError]) -> None:
    # Only what never ends by itself is waited for; a loaded machine may be slow to start a program.
    seconds = 1.5 if kind is StepTimeoutError else 120.0
    with pytest.raises(FairleadError) as failed:
        video(lambda source: source.metadata(WATCH), stand_in(tmp_path, body), ask_seconds=seconds)
    assert type(failed.value) is kind and "hunter2" not in str(failed.value)


def test_a_program_and_what_it_started_end_when_nobody_waits(tmp_path: Path) -> None:
    """One that started another and ignores the polite signals leaves nobody behind."""
    pids = tmp_path / "pids"
    body = f"""
    import signal, subprocess
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(3600)"])
    open({str(tmp_path / "part")!r}, "w").write(f"{{os.getpid()}} {{child.pid}}")
    os.rename({str(tmp_path / "part")!r}, {str(pids)!r})
    time.sleep(3600)
    """
    words = stand_in(tmp_path, body)

    async def run() -> None:
        task = asyncio.ensure_future(run_program([*words, "x"], seconds=600, most_bytes=10))
        while not pids.exists() and not task.done():
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()

    asyncio.run(run())
    for pid in pids.read_text("utf-8").split():
        _assert_gone(int(pid))


def _assert_gone(pid: int) -> None:
    for _ in range(500):
        try:
            state = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
        except OSError:
            return
        # A killed process that nobody has reaped yet is gone for all purposes.
        if state in "ZX":
            return
        asyncio.run(asyncio.sleep(0.01))
    raise AssertionError(f"process {pid} is still there")


def test_media_are_taken_from_the_folder_only(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "earlier.m4a").write_bytes(b"another item's")
    ask = answering(tmp_path, {WATCH: {"id": "x", "title": "x"}})

    async def use(source: VideoSource) -> Path:
        record = await source.metadata(WATCH)
        return await source.media(WATCH, record, work)

    assert video(use, ask) == work / "media.m4a"
    (work / "media.m4a").unlink()
    with pytest.raises(NotFoundError, match="most_media_bytes"):
        video(use, stand_in(tmp_path, "print(json.dumps({'id': 'x', 'title': 'x'}))"))
    answer = json.dumps({"id": "x", "title": "x"})
    link = stand_in(
        tmp_path,
        f"os.symlink('/etc/passwd', 'media.m4a') if '--no-simulate' in args else print({answer!r})",
    )
    with pytest.raises(NotFoundError):
        video(use, link)


def test_without_the_program_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"fairlead\[media\]"):
        find_program()
    with pytest.raises(MissingDependencyError):
        video(lambda source: source.metadata(WATCH), ("/no/such/program",))


@pytest.mark.parametrize(
    "said",
    ["", "\x1b[31mERROR:\x1b[0m odd", "ERROR: https://u:p@x.example/?key=hunter2 broke", "WARNING: a\n\nERROR: b"],
)
def test_whatever_it_says_last_is_told_without_secrets(said: str) -> None:
    error = error_of(said, WATCH, "youtube")
    assert error.remedy and "hunter2" not in str(error) and "u:p" not in str(error)


# ── the real program ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(find_spec("yt_dlp") is None, reason="yt-dlp is not installed: pip install 'fairlead[media]'")
def test_the_real_program_against_a_real_server(tmp_path: Path, site: Site) -> None:
    """The generic extractor, since no platform can be served here: every option that is passed is one it knows."""
    site.put("/talk.mp3", b"ID3\x04\x00\x00\x00\x00\x00\x00" + b"\xff\xfb\x90\x00" * 2_000, "audio/mpeg")
    here = Platform("here", ("127.0.0.1",), "generic")

    async def use(source: VideoSource) -> None:
        address = site.url("/talk.mp3")
        (found,) = (await source.discover(address)).items
        record = await source.metadata(address)
        assert (record.source, record.external_id, record.title) == ("here", "talk", "talk")
        assert found.external_id == record.external_id and found.url == address
        assert await source.transcript(address, record) is None
        path = await source.media(address, record, tmp_path)
        assert path.parent == tmp_path and path.stat().st_size > 8_000
        with pytest.raises(NotFoundError):
            await source.metadata(site.url("/none.mp3"))

    video(use, find_program(), here)


@pytest.mark.skipif(find_spec("yt_dlp") is None, reason="yt-dlp is not installed: pip install 'fairlead[media]'")
@pytest.mark.parametrize(
    ("platform", "address", "extractor"),
    [
        (YOUTUBE, WATCH, "youtube"),
        (YOUTUBE, "https://www.youtube.com/@ada/videos", "youtube:tab"),
        (TWITCH, "https://clips.twitch.tv/FaintLightGullWholeWheat", "twitch:clips"),
        (TWITCH, "https://www.twitch.tv/videos/6528877", "twitch:vod"),
        (TIKTOK, "https://www.tiktok.com/@ada/video/6748451240264420610", "TikTok"),
        (TIKTOK, "https://vm.tiktok.com/ZSe4FqkKd", "vm.tiktok"),
    ],
)
def test_each_platform_has_its_extractors(platform: Platform, address: str, extractor: str) -> None:
    """The names that are passed to the program are names of extractors that take such an address."""
    import re

    from yt_dlp.extractor import gen_extractor_classes

    names = platform.extractors.split(",")
    fitting = [each for each in gen_extractor_classes() if each.suitable(address) and each.IE_NAME != "generic"]
    assert extractor == fitting[0].IE_NAME
    assert any(re.fullmatch(name, extractor, re.IGNORECASE) for name in names)


# ── listening ────────────────────────────────────────────────────────────────────────────────────────────────

_FAKE_WHISPER = """
class _Said:
    def __init__(self, start, end, text): self.start, self.end, self.text = start, end, text
class WhisperModel:
    def __init__(self, model, **options): assert options["local_files_only"]
    def transcribe(self, path, language=None, **options):
        data = open(path, "rb").read()
        if data == b"broken": raise ValueError("no audio in it")
        class Info: pass
        Info.language = language or "en"
        return iter([_Said(1.5, 3.0, " The anchor holds --> for now."), _Said(3.0, 4.0, " ")]), Info
"""


def test_listening_runs_in_a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for the package: the process, what goes in, and what comes out are ours."""
    (tmp_path / "faster_whisper.py").write_text(_FAKE_WHISPER, "utf-8")
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.bin").write_bytes(b"x")
    for name, data in (("talk.mp3", b"sound"), ("broken.mp3", b"broken")):
        (tmp_path / name).write_bytes(data)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("fairlead.pipeline.sources.programs._PASSED", ("PATH", "PYTHONPATH"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    transcript = asyncio.run(Listener(model).listen(tmp_path / "talk.mp3", "pt-BR"))
    assert (transcript.format, transcript.origin, transcript.language) == ("vtt", "speech", "pt")
    (segment,) = parse_bytes(DocumentRef("d", "t", "vtt"), transcript.content, "vtt").segments
    assert (segment.start_s, segment.text) == (1.5, "The anchor holds → for now.")
    with pytest.raises(InvalidInputError, match="no audio in it"):
        asyncio.run(Listener(model).listen(tmp_path / "broken.mp3"))


def test_what_listening_lacks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert listener_of("") is None
    monkeypatch.setattr("fairlead.pipeline.sources.speech.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"fairlead\[speech\]"):
        asyncio.run(Listener(tmp_path).listen(tmp_path / "a.mp3"))
    monkeypatch.setattr("fairlead.pipeline.sources.speech.find_spec", lambda name: object())
    with pytest.raises(NotFoundError, match="speech_model"):
        asyncio.run(Listener(tmp_path).listen(tmp_path / "a.mp3"))


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 1e5), st.text(max_size=40)), max_size=5))
def test_what_was_heard_is_always_readable(segments: list[tuple[float, float, str]]) -> None:
    import io

    import webvtt

    text = captions(segments)
    read = webvtt.from_buffer(io.StringIO(text), format="vtt")
    assert len(read.captions) == sum(bool(said.strip()) for _, _, said in segments)
    assert os.linesep in text or not segments
