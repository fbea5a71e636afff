"""How model responses and tool results are kept in the journal, and how they come back."""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic import TypeAdapter
from pydantic_ai.exceptions import ModelRetry, ToolFailed
from pydantic_ai.messages import ModelMessagesTypeAdapter, ModelResponse, ToolReturn, ToolReturnContent
from pydantic_ai.tools import ToolDenied

# Mypy sees the recursive alias of a tool's content as a variable.
_CONTENT: TypeAdapter[Any] = TypeAdapter(ToolReturnContent)
_RETURN: TypeAdapter[ToolReturn[Any]] = TypeAdapter(ToolReturn[Any])


class ResponseCodec:
    """A model's response, files and thinking included, as pydantic-ai writes message histories."""

    def dump(self, value: Any) -> Any:
        return ModelMessagesTypeAdapter.dump_python([value], mode="json")

    def load(self, data: Any) -> ModelResponse:
        (response,) = ModelMessagesTypeAdapter.validate_python(data)
        assert isinstance(response, ModelResponse)
        return response


class Said(NamedTuple):
    """What a tool call came to without a value: ``retry``, ``failed`` or ``denied``, and what the model is told."""

    word: str
    message: str

    def settle(self) -> Any:
        """The same in pydantic-ai's terms: raised, or returned."""
        if self.word == "retry":
            raise ModelRetry(self.message)
        if self.word == "failed":
            raise ToolFailed(self.message)
        return ToolDenied(self.message)


class OutcomeCodec:
    """What a tool call came to: a value or a :class:`Said`."""

    def dump(self, value: Any) -> Any:
        if isinstance(value, Said):
            return {"outcome": value.word, "message": value.message}
        if isinstance(value, ToolReturn):
            return {"outcome": "return", "value": _RETURN.dump_python(value, mode="json")}
        return {"outcome": "content", "value": _CONTENT.dump_python(value, mode="json")}

    def load(self, data: Any) -> Any:
        word = data.get("outcome") if isinstance(data, dict) else None
        if word in ("retry", "failed", "denied"):
            return Said(word, data["message"])
        if word == "return":
            return _RETURN.validate_python(data["value"])
        # A call whose end was unknown holds what a person said of it, as it was said.
        return _CONTENT.validate_python(data["value"]) if word == "content" else data


RESPONSE = ResponseCodec()
OUTCOME = OutcomeCodec()
