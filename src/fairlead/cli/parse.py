"""From words to a verb and its arguments.

Written here and not with argparse because a command line is started for every call: argparse costs as much CPU as
the interpreter's own start, and cannot take the spellings that people and models try first. See docs/adr/0007.
"""

from __future__ import annotations

from fairlead.errors import FairleadError
from fairlead.verbs import NOUN_ALIASES, NOUNS, load
from fairlead.verbs.table import Param, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

GLOBALS: tuple[Param, ...] = (
    Param("json", "bool", "print JSON, one document or one line per event"),
    Param("format", "str", "json or text", choices=("json", "text")),
    Param("home", "path", "folder of the database and outputs"),
    Param("tenant", "str", "tenant to work for"),
    Param("workspace", "str", "workspace of the tenant"),
    Param("no_color", "bool", "print without colours"),
    Param("help", "bool", "print help and end", aliases=("-h",)),
)


class UsageError(FairleadError):
    """The words on the command line do not make a command."""

    category = "validation"
    exit_code = 2
    http_status = 400


class Parsed:
    """A verb with its arguments, or a request for help on a noun (``verb`` is None)."""

    __slots__ = ("arguments", "common", "noun", "verb")

    def __init__(self, noun: str, verb: Verb | None, arguments: dict[str, Any], common: dict[str, Any]) -> None:
        self.noun = noun
        self.verb = verb
        self.arguments = arguments
        self.common = common


def parse(words: Sequence[str], *, read_stdin: Callable[[], str]) -> Parsed:
    """Parses the words after the program's name; :class:`UsageError` says what is wrong and what is near."""
    words = list(words)
    common: dict[str, Any] = {}
    noun, verb, rest = _find_verb(words, common)
    if verb is None:
        return Parsed(noun, None, {}, common)
    arguments, own = _arguments(verb, rest, read_stdin)
    common.update(own)
    if common.get("format") == "json":
        common["json"] = True
    if not common.get("help"):
        _check_required(verb, arguments)
    return Parsed(noun, verb, arguments, common)


def _find_verb(words: list[str], common: dict[str, Any]) -> tuple[str, Verb | None, list[str]]:
    words = _leading_globals(words, common)
    if not words:
        return "", None, []
    head, rest = words[0], words[1:]
    noun = NOUN_ALIASES.get(head, head)
    if noun in NOUNS:
        rest = _leading_globals(rest, common)
        if not rest:
            return noun, None, []
        verbs = load(noun)
        return noun, _named(verbs, rest[0], f"{noun} "), rest[1:]
    top = top_verbs()
    names = [*(v.verb for v in top), *NOUNS]
    for candidate in top:
        if head == candidate.verb or head in candidate.aliases:
            return "", candidate, rest
    raise UsageError(f"unknown command {head!r}.", remedy=_nearest(head, names) or "See `fairlead --help`.")


def top_verbs() -> tuple[Verb, ...]:
    """The verbs without a noun, and the commands that start other faces."""
    from fairlead.cli import serving

    return (*load(""), *serving.VERBS)


def _leading_globals(words: list[str], common: dict[str, Any]) -> list[str]:
    position = 0
    while position < len(words) and words[position].startswith("-") and words[position] != "-":
        param, inline = _lookup(words[position], GLOBALS)
        if param is None:
            names = [p.flag for p in GLOBALS]
            raise UsageError(
                f"unknown option {words[position]!r}.",
                remedy=_nearest(words[position], names) or "See `fairlead --help`.",
            )
        value, position = _value(param, inline, words, position)
        common[param.name] = _convert(param, value)
    return words[position:]


def _named(verbs: tuple[Verb, ...], word: str, prefix: str) -> Verb:
    for verb in verbs:
        if word == verb.verb or word in verb.aliases:
            return verb
    names = [v.verb for v in verbs]
    raise UsageError(
        f"unknown command {prefix + word!r}.",
        remedy=_nearest(word, names, prefix) or f"Known: {', '.join(names)}.",
    )


def _arguments(verb: Verb, words: list[str], read_stdin: Callable[[], str]) -> tuple[dict[str, Any], dict[str, Any]]:
    arguments: dict[str, Any] = {}
    common: dict[str, Any] = {}
    positionals = [p for p in verb.params if p.positional]
    loose: list[str] = []
    position = 0
    flags_end = False
    while position < len(words):
        word = words[position]
        if word == "--" and not flags_end:
            flags_end = True
            position += 1
            continue
        if flags_end or not word.startswith("-") or word == "-" or _is_number(word):
            loose.append(word)
            position += 1
            continue
        param, inline = _lookup(word, verb.params)
        target = arguments
        if param is None:
            param, inline = _lookup(word, GLOBALS)
            target = common
        if param is None:
            raise UsageError(
                f"unknown option {word.split('=')[0]!r} for `fairlead {verb.words}`.", remedy=_near_flag(word, verb)
            )
        raw, position = _value(param, inline, words, position)
        converted = _convert(param, raw)
        if param.many:
            target.setdefault(param.name, []).append(converted)
            # Several values may follow one flag: `--input a b c` is what shells expand to. A word that an argument
            # still waits for is that argument's.
            awaited = len(loose) < len(positionals) or any(p.many for p in positionals)
            while position < len(words) and not words[position].startswith("-") and not awaited:
                target[param.name].append(_convert(param, words[position]))
                position += 1
        elif param.name in target and param.kind != "bool":
            raise UsageError(f"option {param.flag} is given twice.", remedy="Give it once.")
        else:
            target[param.name] = converted
    _place(verb, positionals, loose, arguments, read_stdin)
    return arguments, common


def _place(
    verb: Verb, positionals: list[Param], loose: list[str], arguments: dict[str, Any], read_stdin: Callable[[], str]
) -> None:
    remaining = list(loose)
    for param in positionals:
        if param.name in arguments or not remaining:
            continue
        if param.many:
            arguments[param.name] = [_convert(param, word) for word in remaining]
            remaining = []
        else:
            word = remaining.pop(0)
            if word == "-" and param.kind == "str":
                word = read_stdin()
            arguments[param.name] = _convert(param, word)
    if remaining:
        raise UsageError(f"`fairlead {verb.words}` does not take {remaining[0]!r}.", remedy=f"Usage: {usage(verb)}")


def _lookup(word: str, params: Sequence[Param]) -> tuple[Param | None, str | None]:
    name, separator, inline = word.partition("=")
    negated = name.startswith("--no-")
    for param in params:
        if name == param.flag or name in param.aliases or name == "--" + param.name:
            return param, inline if separator else None
        if negated and param.kind == "bool" and "--" + name[5:] == param.flag:
            return param, "false"
    return None, None


def _value(param: Param, inline: str | None, words: list[str], position: int) -> tuple[str, int]:
    if param.kind == "bool":
        return ("true" if inline is None else inline), position + 1
    if inline is not None:
        return inline, position + 1
    if position + 1 >= len(words):
        raise UsageError(f"option {param.flag} needs a value.", remedy=param.help)
    return words[position + 1], position + 2


def _convert(param: Param, raw: str) -> Any:
    try:
        if param.kind == "int":
            value: Any = int(raw)
        elif param.kind == "float":
            value = float(raw)
        elif param.kind == "bool":
            value = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[raw.lower()]
        elif param.kind == "json":
            import json

            value = json.loads(raw)
        else:
            value = raw
    except (ValueError, KeyError):
        raise UsageError(f"{param.flag} is {raw!r}, but must be of type {param.kind}.", remedy=param.help) from None
    if param.choices and value not in param.choices:
        raise UsageError(
            f"{param.flag} is {raw!r}.",
            remedy=_nearest(raw, param.choices) or f"Choose one of {', '.join(param.choices)}.",
        )
    return value


def _check_required(verb: Verb, arguments: dict[str, Any]) -> None:
    for param in verb.params:
        if param.required and param.name not in arguments:
            what = param.name.upper() if param.positional else param.flag
            raise UsageError(f"`fairlead {verb.words}` needs {what}.", remedy=f"Usage: {usage(verb)}")


def usage(verb: Verb) -> str:
    """One line: ``fairlead runs pause RUN [--cause TEXT]``."""
    parts = ["fairlead", verb.words]
    for param in verb.params:
        word = param.name.upper() + ("..." if param.many else "")
        if not param.positional:
            word = param.flag if param.kind == "bool" else f"{param.flag} {word}"
        parts.append(word if param.required else f"[{word}]")
    return " ".join(parts)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _near_flag(word: str, verb: Verb) -> str:
    name = word.split("=")[0]
    spellings = [s for p in (*verb.params, *GLOBALS) for s in (p.flag, *p.aliases) if s.startswith("--")]
    return _nearest(name, spellings) or f"Usage: {usage(verb)}"


def _nearest(word: str, names: Sequence[str], prefix: str = "") -> str:
    import difflib

    near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f"Did you mean `{prefix}{near[0]}`?" if near else ""
