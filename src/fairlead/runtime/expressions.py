"""``${{ ... }}``: references and conditions in workflow files.

Expressions see ``inputs``, ``steps`` (finished steps by name), ``item`` and ``index``; they may compare, index,
calculate and call a few pure functions. They are evaluated by simpleeval, which allows nothing else.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any

from fairlead.errors import InvalidGraphError, InvalidInputError

_MARK = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "len": len,
    "min": min,
    "max": max,
    "sum": sum,
    "any": any,
    "all": all,
    "round": round,
    "str": str,
    "int": int,
    "float": float,
}

Evaluate = Callable[[Mapping[str, Any]], Any]


def compile_expression(text: str, where: str) -> Evaluate:
    """A function from names to a value. ``text`` may stand bare or in ``${{ }}``."""
    import simpleeval

    match = _MARK.fullmatch(text.strip())
    source = (match[1] if match else text).strip()
    try:
        tree = simpleeval.SimpleEval.parse(source)
    except (SyntaxError, simpleeval.InvalidExpression) as exc:
        raise InvalidGraphError(
            f"{where}: the expression {source!r} cannot be read: {exc}.",
            remedy="Write for example `steps.parse.count > 3` or `${{ inputs.paths }}`.",
            expression=source,
        ) from exc

    class Evaluator(simpleeval.EvalWithCompoundTypes):  # type: ignore[misc]
        def _eval_attribute(self, node: ast.Attribute) -> Any:
            # A field is an entry of a mapping and nothing else: no attribute of any object can be reached.
            owner = self._eval(node.value)
            if not isinstance(owner, Mapping):
                raise LookupError(f"{node.attr!r} of {type(owner).__name__}")
            return owner[node.attr]

    def evaluate(names: Mapping[str, Any]) -> Any:
        evaluator = Evaluator(names=dict(names), functions=_FUNCTIONS)
        evaluator.nodes[ast.Attribute] = evaluator._eval_attribute
        try:
            return evaluator.eval(source, previously_parsed=tree)
        except (
            simpleeval.InvalidExpression,
            ArithmeticError,
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
        ) as exc:
            raise InvalidInputError(
                f"{where}: the expression {source!r} has no value here: {exc}.",
                remedy="Check the names of steps and fields in it.",
                expression=source,
            ) from exc

    return evaluate


def compile_value(value: Any, where: str) -> Evaluate | None:
    """Like :func:`compile_expression` for a value with expressions anywhere inside; None when it has none."""
    if isinstance(value, str):
        return _compile_text(value, where)
    if isinstance(value, Mapping):
        parts = {k: compile_value(v, f"{where}.{k}") for k, v in value.items()}
        if not any(parts.values()):
            return None
        return lambda names: {k: (part(names) if (part := parts[k]) else v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        listed = [compile_value(v, f"{where}[{n}]") for n, v in enumerate(value)]
        if not any(listed):
            return None
        return lambda names: [part(names) if part else v for part, v in zip(listed, value, strict=True)]
    return None


def _compile_text(text: str, where: str) -> Evaluate | None:
    found = _MARK.findall(text)
    if not found:
        return None
    if _MARK.fullmatch(text.strip()) and len(found) == 1:
        return compile_expression(text, where)
    pieces = _MARK.split(text)
    compiled = [compile_expression(p, where) if n % 2 else None for n, p in enumerate(pieces)]

    def evaluate(names: Mapping[str, Any]) -> str:
        return "".join(str(c(names)) if c else p for c, p in zip(compiled, pieces, strict=True))

    return evaluate
