"""Repetition in plain text, folded without loss: repeated lines and phrases become symbols with a dictionary on top."""

from __future__ import annotations

import re
from collections import Counter

from fairlead.gateway.tokens import estimate_tokens

MARK = "§"
_PIECE = re.compile(r"\S+\s*|\s+")
_WINDOW = 6
_MOST_SYMBOLS = 40
_LONGEST_PHRASE = 60
_RUN = re.compile(rf"(.*){MARK}x(\d+)\Z", re.DOTALL)


def fold(text: str) -> str:
    """``text`` with repetitions folded, or ``text`` itself where that saves no tokens or its own words use the mark.

    Runs of one line become ``line§x12``; phrases of six words and more that occur often become ``§1``, ``§2``, whose
    meanings stand at the top. :func:`unfold` gives the exact text back.
    """
    if MARK in text or len(text) < 200:
        return text
    body = _fold_runs(text)
    phrases = _phrases(body)
    head = []
    for number, phrase in enumerate(phrases, 1):
        body = body.replace(phrase, f"{MARK}{number}{MARK}")
        head.append(f"{MARK}{number}{MARK}={phrase.encode('unicode_escape').decode()}\n")
    folded = f"{''.join(head)}{MARK}{MARK}\n{body}"
    return folded if estimate_tokens(folded) < estimate_tokens(text) else text


def unfold(text: str) -> str:
    """The text that :func:`fold` was given."""
    head, found, body = text.partition(f"{MARK}{MARK}\n")
    if not found:
        return text
    meanings = {}
    for line in head.splitlines():
        symbol, _, phrase = line.partition("=")
        meanings[symbol] = phrase.encode("latin-1", "backslashreplace").decode("unicode_escape")
    for symbol, phrase in reversed(meanings.items()):
        body = body.replace(symbol, phrase)
    return _unfold_runs(body)


def _fold_runs(text: str) -> str:
    folded: list[str] = []
    lines = text.split("\n")
    start = 0
    while start < len(lines):
        end = start
        while end + 1 < len(lines) and lines[end + 1] == lines[start]:
            end += 1
        count = end - start + 1
        if count > 2:
            folded.append(f"{lines[start]}{MARK}x{count}")
        else:
            folded += lines[start : end + 1]
        start = end + 1
    return "\n".join(folded)


def _unfold_runs(text: str) -> str:
    lines: list[str] = []
    for line in text.split("\n"):
        match = _RUN.match(line)
        lines += [match[1]] * int(match[2]) if match else [line]
    return "\n".join(lines)


def _phrases(text: str) -> list[str]:
    """Phrases worth a symbol: grown from windows of words that occur three times and more, the most saving first."""
    pieces = [p for p in _PIECE.findall(text) if MARK not in p]
    windows = Counter(tuple(pieces[i : i + _WINDOW]) for i in range(len(pieces) - _WINDOW + 1))
    found: list[str] = []
    covered = 0
    for at in range(len(pieces) - _WINDOW + 1):
        if at < covered or windows[tuple(pieces[at : at + _WINDOW])] < 3:
            continue
        length = _WINDOW
        least = windows[tuple(pieces[at : at + _WINDOW])]
        while (
            length < _LONGEST_PHRASE
            and at + length < len(pieces)
            and windows[tuple(pieces[at + length - _WINDOW + 1 : at + length + 1])] >= least
        ):
            length += 1
        covered = at + length
        phrase = "".join(pieces[at : at + length]).strip()
        if phrase not in found:
            found.append(phrase)
    gains = {p: (text.count(p) - 1) * (estimate_tokens(p) - 3) - 4 for p in found}
    best = sorted((p for p in found if gains[p] > 0), key=lambda p: -gains[p])
    return best[:_MOST_SYMBOLS]
