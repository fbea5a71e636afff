"""The schema of tickets as pydantic models: what REST and MCP validate with, and JSON Schema for whoever asks.

The field table in :mod:`fairlead.tickets.fields` is the source; the models are made from the records by its rules, so
names, choices and defaults cannot drift. Nothing on the path of a reading imports this module.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from fairlead.tickets import model
from fairlead.tickets.fields import BODIES, ENTRIES, FIELDS, FORMAT_VERSION, SETS, THINGS
from fairlead.tickets.fields import Field as Spec

_ID = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
_LABEL = Annotated[str, Field(min_length=1, max_length=100)]
_TIME = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")]
_DATE = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _kind(spec: Spec) -> Any:
    if spec.choices:
        return Literal[spec.choices]
    return {"id": _ID, "int": int, "number": float, "time": _TIME, "date": _DATE, "lines": tuple[str, ...]}.get(
        spec.type, str
    )


def _many(kind: Any) -> Any:
    return tuple.__class_getitem__((kind, ...))


def _fields(kind: str) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for spec in FIELDS[kind]:
        if spec.name == "title":
            fields[spec.name] = (Annotated[str, Field(min_length=1)], ...)
        elif spec.type == "lines":
            fields[spec.name] = (_kind(spec), ())
        elif spec.default is not None:
            fields[spec.name] = (_kind(spec), spec.default)
        else:
            fields[spec.name] = (_kind(spec) | None, None)
    fields[BODIES[kind]] = (str, "")
    return fields


def _entry_model(kind: str) -> type[BaseModel]:
    record = model.ENTRY_TYPES[kind]
    name = {"goal": "Goal", "criterion": "Criterion", "scenario": "GherkinScenario"}.get(kind, record.__name__)
    fields: dict[str, Any] = {
        "id": (str, ...),
        "ticket_id": (_ID, ...),
        "extras": (dict[str, str], {}),
        **_fields(kind),
    }
    made: type[BaseModel] = create_model(name, __base__=_Strict, __doc__=record.__doc__, **fields)
    return made


ENTRY_MODELS: dict[str, type[BaseModel]] = {kind: _entry_model(kind) for kind in ENTRIES}
"""Kind of entry -> its model."""


def _thing_model(kind: str) -> type[BaseModel]:
    record = model.THING_TYPES[kind]
    fields: dict[str, Any] = {"id": (_ID, ...), "extras": (dict[str, str], {}), **_fields(kind)}
    for name in SETS[kind]:
        fields[name] = (_many(_LABEL if name == "labels" else _ID), ())
    for entry_kind, place in model.ENTRY_PLACES[kind].items():
        fields[place] = (_many(ENTRY_MODELS[entry_kind]), ())
    for name, default in record._field_defaults.items():
        if name not in fields:
            fields[name] = (tuple[str, ...], ()) if default == () else (type(default) | None, default)
    fields.update(updated_at=(_TIME | None, None), closed_at=(_TIME | None, None))
    fields["version"] = (Annotated[int, Field(ge=1, le=FORMAT_VERSION)], FORMAT_VERSION)
    made: type[BaseModel] = create_model(record.__name__, __base__=_Strict, __doc__=record.__doc__, **fields)
    return made


THING_MODELS: dict[str, type[BaseModel]] = {kind: _thing_model(kind) for kind in THINGS}
"""Kind of thing -> its model."""

Ticket = THING_MODELS["ticket"]
Epic = THING_MODELS["epic"]
BacklogItem = THING_MODELS["backlog"]
Comment = ENTRY_MODELS["comment"]
Requirement = ENTRY_MODELS["requirement"]
UserStory = ENTRY_MODELS["story"]
GherkinScenario = ENTRY_MODELS["scenario"]
ExpectedResult = ENTRY_MODELS["result"]
TimeLog = ENTRY_MODELS["time"]
JournalEntry = ENTRY_MODELS["journal"]


def validate(record: model.Thing) -> BaseModel:
    """A record as its model; pydantic's ``ValidationError`` lists what is wrong with it."""
    kind = next(k for k, v in model.THING_TYPES.items() if isinstance(record, v))
    return THING_MODELS[kind].model_validate(_plain(record))


def _plain(value: Any) -> Any:
    if hasattr(value, "_asdict"):
        return {k: _plain(v) for k, v in value._asdict().items()}
    if isinstance(value, tuple):
        return tuple(_plain(v) for v in value)
    return dict(value) if hasattr(value, "items") else value


def json_schema() -> dict[str, Any]:
    """JSON Schema of every kind of thing."""
    return {kind: found.model_json_schema() for kind, found in THING_MODELS.items()}
