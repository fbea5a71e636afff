"""Tokens, stop words and a light folding of plurals.

The word lists are written for this project. ``STOP`` are function words; ``WEAK`` are words that mean something but
say nothing about a topic: they may stand inside a sentence, never at the edge of a key phrase.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from fairlead.pipeline.text.wordset import word_set

WORD = re.compile(r"[^\W\d_][^\W_]*(?:[-'’.&+/_][^\W_]+)*(?:\+\+|#)?|\d+(?:[.,:]\d+)*%?")
"""A word (with inner hyphens, apostrophes, dots as in Node.js), or a number."""

STOP = word_set(
    """
    a about above across after again against all almost alone along already also although always am among an and
    another any anybody anyone anything anyway anywhere are aren't around as at away back be because been before
    behind being below beneath beside besides between beyond both but by came can can't cannot could couldn't
    did didn't do does doesn't doing don't done down during each either else enough etc even ever every
    everybody everyone everything everywhere except few first for from further get gets getting give given gives
    go goes going gone got had hadn't has hasn't have haven't having he he'd he'll he's hence her here here's
    hers herself him himself his how however i i'd i'll i'm i've if in indeed instead into is isn't it it's its
    itself just keep keeps kept last later least less let let's like likely little ll made mainly make makes
    making many may maybe me might mine more moreover most mostly much must my myself near nearly need needs
    neither never nevertheless new next no nobody none nor not nothing now nowhere of off often oh ok okay on
    once one one's ones only onto or other others otherwise ought our ours ourselves out over own per perhaps
    please put quite rather re really s said same say saying says see seem seems seen several shall shan't she
    she'd she'll she's should shouldn't simply since so some somebody someone something sometimes somewhere soon
    still such t take taken takes than thank thanks that that's the their theirs them themselves then there
    there's therefore these they they'd they'll they're they've thing things this those though through
    throughout thus to together too toward towards under unless until up upon us use used useful uses using
    usually ve very via want wanted wants was wasn't way ways we we'd we'll we're we've well went were weren't
    what what's whatever when whenever where whereas wherever whether which while who who's whoever whole whom
    whose why will with within without won't would wouldn't yes yet you you'd you'll you're you've your yours
    yourself yourselves gonna wanna kind sort lot lots actually basically literally obviously certainly
    currently particular particularly especially specifically generally typically e.g i.e eg ie vs
    """
)

WEAK = word_set(
    """
    able accept access according achieve act add added adding addition additional additionally advance aim allow
    allowed allowing allows amount appear applied applies apply approach appropriate ask asked aspect assume
    available bad base based basic become becomes begin believe best better big bit bring brings brought build
    building builds built call called calling calls care case cases cause certain chance change changed changes
    check choose clear clearly close come comes coming common complete completely consider contain containing
    contains correct correctly couple course create created creates creating current day days deal define
    defined defines depend depending depends describe described describes detail details determine develop
    difference different differently difficult direct directly easier easily easy effect end ends ensure entire
    equivalent exact exactly example examples exist existing exists expect expected explain extra extremely fact
    fairly far fast feel felt final finally find finds fine fix fixed follow followed following follows form
    forward found four full fully general good great guess half hand handle handled handles happen happened
    happening happens hard hear heard help helpful helps high higher highly hold hope huge idea immediately
    important include included includes including increase indicate initial interested interesting introduce
    involve issue issues item job kinds knew know known knows large largest leave leaves left level line list
    long longer look looked looking looks lose main major manner match mean meaning means meant mention
    mentioned mind minute minutes modern moment month months move multiple name named names natural necessary
    needed normal note number numbers obtain occur occurs old open option optional options order original
    overall page part parts pass passed past people perform performed performs person piece place play point
    points possible potential prefer present presented pretty prevent previous previously primary probably
    problem problems process produce produced produces proper properly provide provided provides providing
    purpose quick quickly quite raise raised range read ready real reason receive recent recently refer referred
    regular related relative remain remember remove replace require required requires respect respectively
    result resulting results return returned returns right run running runs safe second section seconds send
    sense sent separate serve serves set sets setting share show showed showing shown shows side similar
    similarly simple simpler single situation size slightly slow small smaller solve sound special specific
    specified specify spend standard start started starting starts state stay step stop store subject successful
    sure table taking talk talked talking tell tells term terms think third thought three time times today told
    tonight took top total tried tries true try trying turn two type types typical understand unlike usage usual
    value values various version versions view wait wanting watch week weeks whatsoever wide wonder word words
    work worked working works world write written wrong year years won't doesn't folks guy guys kinda hello hi
    hey welcome sir ma'am mr mrs ms yeah um uh etc five six seven eight nine ten hundred thousand million
    billion percent ago big bigger biggest whatever somehow stuff nice wonderful absolutely tremendous everybody
    frankly above-mentioned aforementioned hereby herein hereinafter thereof whereby shall such-and-such manage
    enable enables enabled disable disabled behave behaves behavior behaviour support supported supports
    supporting implement implemented implements implementation default defaults feature features note notes
    see-also docs documentation readme usage install installed installation license licence information question
    project projects official latest fun early rely relies thanks copyright respective
    """
)

_KEEP_S = word_set(
    """
    analysis basis bias canvas class process access address business chaos status focus lens bus gas news series
    species physics mathematics economics politics ethics robotics graphics statistics analytics windows always
    https https kubernetes across less this process devops aws ios js css dns gps cls pandas numpy sas redis
    texas kansas arkansas illinois paris perhaps pass loss stress congress progress success express guess press
    cross boss glass corpus campus virus census consensus bonus plus thus us is has was does its yes as
    """
)


@lru_cache(maxsize=65536)
def fold(word: str) -> str:
    """The form under which a word is counted: lower case, without a possessive or a regular plural ending."""
    low = word.lower().replace("’", "'")
    if low.endswith("'s"):
        low = low[:-2]
    if len(low) < 4 or not low.endswith("s") or low.endswith(("ss", "us", "is", "'s", ".js")) or low in _KEEP_S:
        return low
    if low.endswith("ies") and len(low) > 4:
        return low[:-3] + "y"
    if low.endswith(("ches", "shes", "sses", "xes", "zzes")):
        return low[:-2]
    return low[:-1]


def words_of(text: str) -> list[str]:
    """The tokens of ``text`` in order, as they are written."""
    return WORD.findall(text)


@lru_cache(maxsize=1)
def verb_forms() -> dict[str, str]:
    """Words that are finite verbs more often than anything else -> ``third person``, ``base`` or ``past``."""
    found: dict[str, str] = {}
    form = ""
    for line in (Path(__file__).parent / "verbs.txt").read_text(encoding="ascii").splitlines():
        if line.startswith("["):
            form = line.strip("[]")
        elif not line.startswith("#"):
            found.update(dict.fromkeys(line.split(), form))
    return found


@lru_cache(maxsize=65536)
def is_content(word: str) -> bool:
    """Whether a lower-case token can carry a topic."""
    return len(word) > 2 and word not in STOP and word not in WEAK and not word[0].isdigit()
