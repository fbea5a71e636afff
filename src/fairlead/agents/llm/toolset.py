"""The wrapper that journals what tools do, and asks before they do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_ai.exceptions import ModelRetry, ToolFailed
from pydantic_ai.tools import RunContext
from pydantic_ai.toolsets import ToolsetTool, WrapperToolset

from fairlead.agents.llm.codecs import OUTCOME, Said
from fairlead.agents.llm.places import call_key, calls_of_turn
from fairlead.agents.llm.tools import Declared, declared_of
from fairlead.errors import EffectUnknownError, ForbiddenError, InvalidInputError, StopError
from fairlead.result import ErrorCategory, StepResult

if TYPE_CHECKING:
    from fairlead.agents.llm.control import StepControl


@dataclass
class JournaledToolset(WrapperToolset[Any]):
    """Carries out each tool call once for its place in the journal.

    What the model is told instead of a value (try again, it failed, it was refused) is journaled like a value: a replay
    must tell it the same, whatever a hook or the permission mode says by then.
    """

    control: StepControl

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: ToolsetTool[Any]
    ) -> Any:
        step = self.control.step
        key = call_key(ctx, name, ctx.tool_call_id)
        known = step.kept(key)
        outcome = (
            OUTCOME.load(known.data) if known is not None else await self._carry_out(key, name, tool_args, ctx, tool)
        )
        return outcome.settle() if isinstance(outcome, Said) else outcome

    async def _carry_out(
        self, key: str, name: str, tool_args: dict[str, Any], ctx: RunContext[Any], tool: ToolsetTool[Any]
    ) -> Any:
        step = self.control.step
        for sibling in calls_of_turn(ctx):
            # Raises when it is unknown how a call of this turn ended: nothing new begins before a person has decided.
            step.kept(call_key(ctx, sibling.tool_name, sibling.tool_call_id))
        await step.safe_point()
        declared = declared_of(tool.tool_def)
        refused = f"The permission mode or a person did not allow tool {name!r} to {declared.permission}."
        if not ctx.tool_call_approved and not await self.control.permit(key, name, declared.permission):
            return await step.keep(f"tool:{name}", Said("denied", refused), key=key, codec=OUTCOME)

        async def act(args: dict[str, Any]) -> Any:
            if args is not tool_args:
                args = _checked(name, tool, args, ctx)
            return await self._act(declared, name, args, ctx, tool)

        try:
            return await step.step(
                f"tool:{name}", act, tool_args, key=key, kind="tool", effect=declared.effect, codec=OUTCOME
            )
        except ForbiddenError as exc:
            if "hook" not in exc.fields:
                raise
            reason = f"Tool {name!r} was refused: {exc.fields.get('reason')}"
            return await step.keep(f"tool:{name}", Said("denied", reason), key=key, codec=OUTCOME)
        finally:
            step.heartbeat()

    async def _act(
        self, declared: Declared, name: str, args: dict[str, Any], ctx: RunContext[Any], tool: ToolsetTool[Any]
    ) -> Any:
        try:
            value = await self.wrapped.call_tool(name, args, ctx, tool)
        except ModelRetry as exc:
            return Said("retry", exc.message)
        except ToolFailed as exc:
            return Said("failed", exc.message)
        except ValidationError as exc:
            return Said("retry", str(exc))
        except (EffectUnknownError, StopError):
            raise
        except Exception as exc:
            if not declared.guarded:
                raise
            value = StepResult.from_exception(exc)
        return _said(value) if isinstance(value, StepResult) else value


def _checked(name: str, tool: ToolsetTool[Any], args: Any, ctx: RunContext[Any]) -> dict[str, Any]:
    """Arguments that a hook has rewritten, held against the tool's schema."""
    try:
        checked: dict[str, Any] = tool.args_validator.validate_python(args, context=ctx.validation_context)
    except ValidationError as exc:
        raise InvalidInputError(
            f"a hook rewrote the arguments of tool {name!r} to something that it does not take: {exc}",
            remedy="Mend the hook.",
            tool=name,
        ) from exc
    return checked


def _said(result: StepResult) -> Any:
    """A tool's StepResult as the model is told it."""
    if result.skipped:
        return {"skipped": result.metadata.get("reason")}
    if result.success:
        return result.data
    return Said("retry" if result.error_category is ErrorCategory.VALIDATION else "failed", result.error or "failed")
