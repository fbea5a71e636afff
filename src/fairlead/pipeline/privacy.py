"""The privacy filter: finds what identifies a person or opens a door, and takes it out of a text.

E-mail addresses, telephone numbers, payment cards (Luhn check, ISO/IEC 7812-1), bank accounts (IBAN, ISO 7064 mod 97),
United States social security numbers, IP addresses, private keys, bearer tokens and keys of well-known forms. A find is
replaced by its kind and a number that is the same for the same value within one text (``[email-1]``), so a reader can
still follow who is who. Nothing of the value is kept: the replacement cannot be reversed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from fairlead.pipeline.documents import Block, Document, place


class Private(NamedTuple):
    """A find: offsets in the text that was given, and what it is."""

    start: int
    end: int
    kind: str


def luhn_holds(text: str) -> bool:
    """Whether the digits of ``text`` have a right check digit by Luhn's formula."""
    digits = [int(c) for c in text if c.isdigit()]
    doubled = [sum(divmod(2 * d, 10)) for d in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 and len(set(digits)) > 1


def iban_holds(text: str) -> bool:
    """Whether ``text`` is an IBAN whose remainder modulo 97 is one."""
    plain = re.sub(r"\s", "", text).upper()
    if not 15 <= len(plain) <= 34:
        return False
    moved = plain[4:] + plain[:4]
    return int("".join(str(int(c, 36)) for c in moved)) % 97 == 1


def _plausible_phone(text: str) -> bool:
    digits = sum(c.isdigit() for c in text)
    return 8 <= digits <= 15 and not re.fullmatch(r"\d{4}[-/. ]\d{1,2}[-/. ]\d{1,4}", text.strip())


def _plausible_ip(text: str) -> bool:
    return all(int(part) <= 255 for part in text.split(".")) and text not in ("0.0.0.0", "127.0.0.1")


_KINDS: tuple[tuple[str, re.Pattern[str], Callable[[str], bool] | None], ...] = (
    (
        "private-key",
        re.compile(
            r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.{0,20000}?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)", re.DOTALL
        ),
        None,
    ),
    (
        "key",
        re.compile(
            r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,255}\b|\bgithub_pat_\w{22,255}\b"
            r"|\bsk-[A-Za-z0-9_-]{20,200}\b|\bxox[abprs]-[A-Za-z0-9-]{10,200}|\bAIza[A-Za-z0-9_-]{35}\b"
            r"|\bglpat-[A-Za-z0-9_-]{20,60}\b|\bnpm_[A-Za-z0-9]{36}\b|\bpypi-[A-Za-z0-9_-]{40,300}\b"
            r"|\beyJ[A-Za-z0-9_-]{8,2000}\.eyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{8,1000}"
        ),
        None,
    ),
    (
        "secret",
        re.compile(
            r"(?<=[\s\"'])(?:password|passwd|pwd|secret|api[_-]?key|token)\s{0,3}[:=]\s{0,3}[\"']?(?=\S*\d)[^\s\"',;]{8,200}",
            re.IGNORECASE,
        ),
        None,
    ),
    ("email", re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}\b"), None),
    ("iban", re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"), iban_holds),
    ("card", re.compile(r"(?<![\d.,+-])(?:\d[ -]?){12,18}\d(?![\d-])"), luhn_holds),
    ("ssn", re.compile(r"(?<![\d-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])"), None),
    ("ip", re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])"), _plausible_ip),
    (
        "phone",
        re.compile(
            r"(?<![\w.,/-])(?:\+\d{1,3}[ .-]?)?(?:\(\d{2,4}\)[ .-]?)?\d{2,4}(?:[ .-]\d{2,4}){2,4}(?![\w-])"
            r"|(?<!\w)\+\d{8,15}\b"
        ),
        _plausible_phone,
    ),
)


def find_private(text: str) -> list[Private]:
    """What is private in ``text``, in order and apart; of two that overlap the kind named first in this module wins."""
    taken: list[Private] = []
    for kind, pattern, holds in _KINDS:
        for match in pattern.finditer(text):
            start, end = match.span()
            if holds is not None and not holds(match.group()):
                continue
            if all(end <= other.start or start >= other.end for other in taken):
                taken.append(Private(start, end, kind))
    return sorted(taken)


def redact(text: str) -> tuple[str, dict[str, int]]:
    """``text`` with each find replaced, and how many of each kind there were."""
    numbers: dict[tuple[str, str], int] = {}
    counts: dict[str, int] = {}
    parts: list[str] = []
    position = 0
    for start, end, kind in find_private(text):
        value = re.sub(r"[\s-]", "", text[start:end]).lower()
        if (kind, value) not in numbers:
            numbers[kind, value] = 1 + sum(held == kind for held, _ in numbers)
        counts[kind] = counts.get(kind, 0) + 1
        parts += [text[position:start], f"[{kind}-{numbers[kind, value]}]"]
        position = end
    return "".join([*parts, text[position:]]), counts


def redact_segments(document: Document) -> Document:
    """``document`` with every segment redacted and its offsets counted anew."""
    blocks: list[Block] = []
    totals: dict[str, int] = {}
    for segment in document.segments:
        text, counts = redact(segment.text)
        blocks.append(Block(text, segment.kind, segment.heading, segment.speaker, segment.start_s, segment.end_s))
        for kind, count in counts.items():
            totals[kind] = totals.get(kind, 0) + count
    if not totals:
        return document
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(totals.items()))
    return document._replace(segments=place(blocks), warnings=(*document.warnings, f"taken out as private: {told}"))
