"""Tools: functions with a described surface that always answer with a StepResult."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ValidationError, create_model

from fairlead.errors import InvalidInputError
from fairlead.result import StepResult
from fairlead.runtime.graph import Permission


class Tool:
    """A function that agents may call.

    ``effect`` says that it may act on the world; ``permission`` what it does to the user's things. Arguments are
    checked against the function's annotations before it is called; whatever it does, :meth:`run` returns a StepResult.
    """

    def __init__(self, call: Callable[..., Any], *, name: str, effect: bool, permission: Permission) -> None:
        functools.update_wrapper(self, call)
        self.call = call
        self.name = name
        self.description = (inspect.getdoc(call) or "").partition("\n")[0]
        self.effect = effect
        self.permission = permission
        self._model = _arguments_model(call, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.call(*args, **kwargs)

    def schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments."""
        return self._model.model_json_schema()

    async def run(self, arguments: dict[str, Any]) -> StepResult:
        """Calls the tool with checked arguments. Never raises for what the tool or its caller did wrong."""
        try:
            checked = self._model.model_validate(arguments)
        except ValidationError as exc:
            first = exc.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            return StepResult.bad_request(f"tool {self.name!r}: argument {place!r}: {first['msg']}.", field=place)
        try:
            value = self.call(**{name: getattr(checked, name) for name in type(checked).model_fields})
            if inspect.isawaitable(value):
                value = await value
        except Exception as exc:  # noqa: BLE001 - the fault becomes the tool's result, with its category
            return StepResult.from_exception(exc)
        return value if isinstance(value, StepResult) else StepResult.ok(value)


def tool(
    name: str | None = None, *, effect: bool = False, permission: Permission = "read"
) -> Callable[[Callable[..., Any]], Tool]:
    """Makes a function a tool."""
    return lambda call: Tool(call, name=name or call.__name__, effect=effect, permission=permission)


def _arguments_model(call: Callable[..., Any], name: str) -> type[BaseModel]:
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(call, eval_str=True).parameters.values():
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            raise InvalidInputError(
                f"tool {name!r} takes *{parameter.name}.", remedy="Name every argument.", field=parameter.name
            )
        annotation = Any if parameter.annotation is parameter.empty else parameter.annotation
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (annotation, default)
    return create_model(f"{name}_arguments", __config__={"extra": "forbid"}, **fields)
