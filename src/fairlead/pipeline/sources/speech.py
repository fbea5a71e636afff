"""Listening: speech to captions with faster-whisper (extra ``speech``), in a process of its own.

The model lies in a folder that the user names; nothing is downloaded. The process ends with its work, so that a model's
memory is not held between two recordings, and it is killed when it takes too long.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fairlead.errors import InvalidInputError, MissingDependencyError, NotFoundError
from fairlead.pipeline.sources.port import Transcript
from fairlead.pipeline.sources.programs import run_program

_MOST_OUTPUT = 50_000_000


class Listener:
    """Turns recordings into WebVTT with the model in ``model``. ``seconds`` bounds one recording."""

    def __init__(self, model: Path, *, seconds: float = 4 * 3600.0) -> None:
        self._model = model
        self._seconds = seconds

    async def listen(self, path: Path, language: str = "") -> Transcript:
        """What is said in the recording. Refused, with the remedy, when faster-whisper or its model is absent."""
        if find_spec("faster_whisper") is None:
            raise MissingDependencyError(
                "faster-whisper is needed to listen and is not installed.",
                remedy="Install it with pip install 'fairlead[speech]'.",
            )
        if not (self._model / "model.bin").is_file():
            raise NotFoundError(
                f"{str(self._model)!r} holds no faster-whisper model.",
                remedy="Set speech_model in sources.toml to the folder of a model in CTranslate2's form.",
                field="speech_model",
            )
        words = [sys.executable, "-P", "-m", "fairlead.pipeline.sources.speech", str(self._model), str(path.resolve())]
        ended = await run_program(
            [*words, language.partition("-")[0].lower()], seconds=self._seconds, most_bytes=_MOST_OUTPUT
        )
        if ended.code != 0:
            lines = ended.errors.strip().splitlines()
            raise InvalidInputError(
                f"{path.name} could not be listened to: {lines[-1] if lines else f'exit code {ended.code}'}.",
                remedy="Check that it is audio or video and that the model is whole.",
                field="media",
            )
        answer = json.loads(ended.output)
        return Transcript("vtt", captions(answer["segments"]).encode(), str(answer["language"]), "speech")


def listener_of(model: str) -> Listener | None:
    """A listener for the model in a folder; None when no folder is named."""
    return Listener(Path(model).expanduser()) if model else None


def captions(segments: Iterable[tuple[float, float, str]]) -> str:
    """WebVTT of (start, end, text) in seconds."""
    cues = [
        # An arrow or a blank line inside of a text would end its cue.
        f"{_stamp(start)} --> {_stamp(max(end, start))}\n{' '.join(text.replace('-->', '→').split())}\n"
        for start, end, text in segments
        if text.strip()
    ]
    return "WEBVTT\n\n" + "\n".join(cues)


def _stamp(seconds: float) -> str:
    whole = round(max(0.0, seconds) * 1000)
    return f"{whole // 3_600_000:02d}:{whole // 60_000 % 60:02d}:{whole // 1000 % 60:02d}.{whole % 1000:03d}"


def _child(model: str, path: str, language: str) -> dict[str, Any]:
    from faster_whisper import WhisperModel

    whisper = WhisperModel(model, device="auto", compute_type="default", local_files_only=True)
    segments, info = whisper.transcribe(path, language=language or None, vad_filter=True)
    return {"language": info.language, "segments": [(each.start, each.end, each.text) for each in segments]}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_child(*sys.argv[1:4])))
