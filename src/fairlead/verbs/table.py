"""The shape of a verb: declared once, spoken by the command line, REST and MCP alike.

Kept free of imports that cost start-up time: a command line is started for every call.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from fairlead.verbs.context import Context

KINDS = ("str", "int", "float", "bool", "path", "json")
ROLES = ("viewer", "operator", "admin")


class Param:
    """One argument of a verb.

    ``name`` is the Python and JSON name; the flag is ``--name`` with dashes, and ``aliases`` are further spellings
    that people and models try first. ``positional`` arguments are taken in order; ``many`` takes several values.
    """

    __slots__ = ("aliases", "choices", "default", "help", "kind", "many", "name", "positional", "required")

    def __init__(
        self,
        name: str,
        kind: str = "str",
        help: str = "",  # noqa: A002 - the word a reader looks for
        *,
        positional: bool = False,
        required: bool = False,
        many: bool = False,
        default: Any = None,
        choices: tuple[str, ...] = (),
        aliases: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.kind = kind
        self.help = help
        self.positional = positional
        self.required = required
        self.many = many
        self.default = default
        self.choices = choices
        self.aliases = aliases

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")


class Verb:
    """One thing that Fairlead can do.

    ``call(context, **arguments)`` returns a JSON-able value, or an iterator of them for verbs that go on (watching,
    following). ``show(value, out)`` prints one for a person; ``out`` is :class:`fairlead.verbs.context.Output`.
    ``role`` is the least role that may call it; ``changes`` says that it is not a pure reading.
    """

    __slots__ = (
        "aliases",
        "call",
        "changes",
        "description",
        "examples",
        "noun",
        "params",
        "role",
        "show",
        "summary",
        "verb",
    )

    def __init__(
        self,
        noun: str,
        verb: str,
        summary: str,
        call: Callable[..., Any],
        *,
        params: tuple[Param, ...] = (),
        show: Callable[[Any, Any], None] | None = None,
        description: str = "",
        examples: tuple[str, ...] = (),
        aliases: tuple[str, ...] = (),
        role: str = "viewer",
        changes: bool = False,
    ) -> None:
        self.noun = noun
        self.verb = verb
        self.summary = summary
        self.call = call
        self.params = params
        self.show = show
        self.description = description
        self.examples = examples
        self.aliases = aliases
        self.role = role
        self.changes = changes

    @property
    def name(self) -> str:
        """``runs.pause``; ``run`` for a verb without a noun."""
        return f"{self.noun}.{self.verb}" if self.noun else self.verb

    @property
    def words(self) -> str:
        return f"{self.noun} {self.verb}".strip()

    def schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments."""
        properties = {p.name: param_schema(p) for p in self.params}
        required = [p.name for p in self.params if p.required]
        schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
        if required:
            schema["required"] = required
        return schema

    def invoke(self, context: Context, arguments: Mapping[str, Any]) -> Any:
        return self.call(context, **arguments)


class Noun:
    """Declares the verbs of a noun: what they read and what they change, with what their answers are shown by."""

    __slots__ = ("noun", "show")

    def __init__(self, noun: str, show: Callable[[Any, Any], None] | None = None) -> None:
        self.noun = noun
        self.show = show

    def reads(self, verb: str, summary: str, call: Callable[..., Any], *params: Param, **more: Any) -> Verb:
        """A verb that anybody may call; ``more`` are further arguments of :class:`Verb`."""
        return Verb(self.noun, verb, summary, call, params=params, **{"show": self.show, **more})

    def changes(self, verb: str, summary: str, call: Callable[..., Any], *params: Param, **more: Any) -> Verb:
        """A verb that changes something; operators may call it unless ``role`` says otherwise."""
        return self.reads(verb, summary, call, *params, **{"role": "operator", "changes": True, **more})


_JSON_TYPES = {"str": "string", "path": "string", "int": "integer", "float": "number", "bool": "boolean"}


def param_schema(param: Param) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    if param.kind in _JSON_TYPES:
        schema["type"] = _JSON_TYPES[param.kind]
    if param.choices:
        schema["enum"] = list(param.choices)
    if param.many:
        schema = {"type": "array", "items": schema}
    if param.help:
        schema["description"] = param.help
    if param.default is not None:
        schema["default"] = param.default
    return schema
