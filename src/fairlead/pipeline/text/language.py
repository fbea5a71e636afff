"""Which language a text is in: by its script, else by its function words.

Function words are the most frequent words of a language and hardly shared between languages, so a few sentences are
enough (Grefenstette, "Comparing two language identification schemes", JADT 1995). Short or mixed texts give ``""``:
not known is an answer.
"""

from __future__ import annotations

import re
from collections import Counter

_PROFILES = {
    "en": "the of and to in is that for it with as was on be are this by you not have from but they or which we at an",
    "de": "der die und den das von zu ist mit des im nicht ein eine für auf sich dem auch es als wird sind werden bei",
    "fr": "le la les des et du en est une que dans pour qui sur pas au avec sont par il plus ce se ne nous cette aux",
    "es": "el la de que y los en las del se por con una para es al como más pero sus este está ha fue son también",
    "it": "il di che la è un per una sono con del della non si le dei da gli anche alla nel più ha come questo",
    "pt": "o de que e do da em um para com não uma os no se na por mais as dos como mas foi ao ele das são",
    "nl": "de het een van en in is dat op te zijn voor met niet aan er ook als maar bij om uit door naar worden",
    "sv": "och att det som en på är av för med till den har inte ett om men var jag kan från så när nu",
    "da": "og at det er en til på af for med den der ikke som et har om var jeg men kan de fra sig",
    "pl": "w i na z się do nie jest to że jak o po przez od za dla są tym ale czy już tylko oraz jego",
}
_WORDS = {language: frozenset(words.split()) for language, words in _PROFILES.items()}
_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("zh", re.compile(r"[\u3400-\u9fff]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
)
_LATIN = re.compile(r"[A-Za-zÀ-ɏ]+")
_SAMPLE = 20_000


def identify(text: str) -> str:
    """An ISO 639-1 code, or ``""`` when nothing stands out."""
    sample = text[:_SAMPLE]
    words = _LATIN.findall(sample.lower())
    letters = sum(map(len, words))
    for language, script in _SCRIPTS:
        if len(script.findall(sample)) > max(letters // 4, 4):
            return language
    if len(words) < 8:
        return ""
    counts = Counter(words)
    scores = sorted(
        ((sum(counts[word] for word in profile), language) for language, profile in _WORDS.items()), reverse=True
    )
    best, second = scores[0], scores[1]
    if best[0] * 12 < len(words) or best[0] < second[0] * 1.15:
        return ""
    return best[1]
