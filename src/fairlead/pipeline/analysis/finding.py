"""What every analyser answers with: a finding that says where it stands, how sure it is, and what found it."""

from __future__ import annotations

from typing import Any, NamedTuple


class Finding(NamedTuple):
    """``text == document.text[start_char:end_char]``; ``confidence`` is 0 to 1; ``model`` names the analyser and its
    version, so that findings of different versions are never mixed up; ``value`` is what the analyser adds.
    """

    label: str
    text: str
    start_char: int
    end_char: int
    confidence: float
    model: str
    value: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "text": self.text,
            "start_char": self.start_char,
            "end_char": self.end_char,
            "confidence": round(self.confidence, 3),
            "model": self.model,
            **self.value,
        }
