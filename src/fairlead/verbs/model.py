"""Verbs of `model`: which models there are, and which one a prompt would go to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fairlead.verbs.classifier import training_verb
from fairlead.verbs.table import Param, Verb

if TYPE_CHECKING:
    from fairlead.gateway.catalogue import Catalogue
    from fairlead.gateway.gateway import Gateway
    from fairlead.gateway.messages import GenerationRequest
    from fairlead.verbs.context import Context, Output


def _catalogue(context: Context) -> Catalogue:
    from fairlead.clock import SystemClock
    from fairlead.gateway.catalogue import Catalogue
    from fairlead.gateway.config import config_of

    return Catalogue(config_of(context.settings), SystemClock())


@contextmanager
def _gateway(context: Context) -> Iterator[Gateway]:
    from fairlead.tenancy import use_tenant

    lead = context.open(create=True)
    try:
        with use_tenant(context.tenant):
            yield lead.gateway
    finally:
        lead.database.close()


def list_models(context: Context, all: bool = False, provider: str = "") -> dict[str, Any]:  # noqa: A002 - the flag
    catalogue = _catalogue(context)
    found = catalogue.book(provider=provider) if all or provider else catalogue.pool()
    return {"items": [info.to_dict() for info in found], "has_more": False}


def show_model(context: Context, model: str) -> dict[str, Any]:
    return _catalogue(context).get(model).to_dict()


def test_model(context: Context, model: str) -> dict[str, Any]:
    """Asks one small question and reports how it went; the call is paid for and accounted for like any other."""
    from fairlead.gateway.messages import GenerationRequest

    request = GenerationRequest(
        prompt="What colour is the sky?",
        context="On a clear day the sky is blue. Grass is green.",
        task_type="answer",
        model_preference=model,
        fallback_allowed=False,
        max_tokens=40,
        cache="off",
        timeout=30.0,
    )
    answer = _ask(context, request)
    return {**answer, "exit_code": 0 if answer["success"] else 1}


def ask_model(
    context: Context,
    prompt: str,
    model: str = "auto",
    context_file: str | None = None,
    max_tokens: int = 1000,
    temperature: float = 0.7,
    cost_limit: float | None = None,
    quality_floor: float | None = None,
    local: bool = False,
    compress: bool = False,
) -> dict[str, Any]:
    from fairlead.gateway.messages import GenerationRequest

    text = ""
    if context_file is not None:
        from pathlib import Path

        text = Path(context_file).read_text(encoding="utf-8")
    request = GenerationRequest(
        prompt=prompt,
        context=text,
        model_preference=model,
        max_tokens=max_tokens,
        temperature=temperature,
        cost_limit=cost_limit,
        quality_floor=quality_floor,
        force_local=local,
        compress=compress,
    )
    answer = _ask(context, request)
    return {**answer, "exit_code": 0 if answer["success"] else 1}


def _ask(context: Context, request: GenerationRequest) -> dict[str, Any]:
    import asyncio

    with _gateway(context) as gateway:

        async def work() -> dict[str, Any]:
            try:
                return (await gateway.generate(request)).to_dict()
            finally:
                await gateway.close()

        return asyncio.run(work())


def route(
    context: Context,
    prompt: str,
    explain: bool = False,
    task_type: str = "",
    max_tokens: int = 1000,
    quality_floor: float | None = None,
    cost_limit: float | None = None,
    local: bool = False,
    cloud: bool = False,
) -> dict[str, Any]:
    from fairlead.gateway.messages import GenerationRequest

    request = GenerationRequest(
        prompt=prompt,
        task_type=task_type,
        max_tokens=max_tokens,
        quality_floor=quality_floor,
        cost_limit=cost_limit,
        force_local=local,
        force_cloud=cloud,
    )
    with _gateway(context) as gateway:
        return {**gateway.route(request).to_dict(), "explain": explain}


def train(context: Context, outcomes: str) -> dict[str, Any]:
    """Learns which prompts are hard for which model, from lines of ``{"prompt", "model", "quality"}``."""
    import json
    from pathlib import Path

    from fairlead.errors import InvalidInputError, NotFoundError
    from fairlead.gateway.routing.training import require_sklearn, train_difficulty

    require_sklearn()
    path = Path(outcomes)
    if not path.is_file():
        raise NotFoundError(f"there is no file {outcomes!r}.", remedy="Give a file of JSON lines.", field="outcomes")
    table: dict[str, dict[str, float]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            table.setdefault(row["prompt"], {})[row["model"]] = float(row["quality"])
        except (ValueError, KeyError, TypeError) as exc:
            raise InvalidInputError(
                f"line {number} of {outcomes} is not an outcome: {exc!r}.",
                remedy='Each line is {"prompt": "...", "model": "...", "quality": 0..1}.',
            ) from exc
    models = sorted({m for row in table.values() for m in row})
    prompts = [p for p, row in table.items() if len(row) == len(models)]
    difficulty = train_difficulty(prompts, {m: [table[p][m] for p in prompts] for m in models})
    target = context.settings.home / "difficulty.npz"
    target.parent.mkdir(parents=True, exist_ok=True)
    difficulty.save(target)
    return {"models": models, "prompts": len(prompts), "left_out": len(table) - len(prompts), "path": str(target)}


# ── printing ─────────────────────────────────────────────────────────────────────────────────────────────────


def print_models(value: dict[str, Any], out: Output) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("model", "tier", "context", "in $/M", "out $/M", "price from"):
        table.add_column(column, justify="right" if column in ("context", "in $/M", "out $/M") else "left")
    for item in value["items"]:
        price = item["price"]
        known = price["state"] != "unknown"
        table.add_row(
            item["id"],
            item["tier"],
            f"{item['context_window']:,}" if item["context_window"] else "-",
            f"{price['input_per_mtok']:g}" if known else "unknown",
            f"{price['output_per_mtok']:g}" if known else "unknown",
            f"{price['source']} {price['as_of']}".strip() if known else "-",
        )
    out.print(table)


def print_answer(value: dict[str, Any], out: Output) -> None:
    if not value["success"]:
        out.line(f"failed: {value['error_message']}")
        return
    cost = "unknown cost" if value["cost"] is None else f"{value['cost']:.6f} USD"
    out.line(value["content"])
    out.line()
    out.line(f"{value['model_used']}  {value['tokens_used']} tokens  {cost}  {value['response_time']:.2f} s")


def print_route(value: dict[str, Any], out: Output) -> None:
    out.line(f"{value['model']}  ({value['task_type']})")
    if not value["explain"]:
        return
    for reason in value["reasons"]:
        out.line(f"  {reason}")
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("candidate", "tier", "quality", "90 % between", "at most USD", "outcomes", "against"):
        table.add_column(column)
    for item in value["candidates"]:
        low, high = item["interval"]
        price = "unknown" if item["price"] is None else f"{item['price']:.6g}"
        table.add_row(
            item["model"],
            item["tier"],
            f"{item['expected_quality']:.2f}",
            f"{low:.2f} and {high:.2f}",
            price,
            f"{item['samples']:g}",
            item["against"],
        )
    out.print(table)
    out.line(f"then: {', '.join(value['chain'][1:]) or 'nothing'}")


_MODEL = Param("model", "str", "id of the model, as provider:model", positional=True, required=True)
_PROMPT = Param("prompt", "str", "what is asked; - reads it from standard input", positional=True, required=True)
_FLOOR = Param("quality_floor", "float", "least expected quality, 0 to 1")
_LIMIT = Param("cost_limit", "float", "most that it may cost, in US dollars")
_LOCAL = Param("local", "bool", "only local models", aliases=("--force-local",))
_TOKENS = Param("max_tokens", "int", "longest answer, in tokens", default=1000)

VERBS: tuple[Verb, ...] = (
    Verb(
        "model",
        "list",
        "the models that may be chosen, or the whole price book",
        list_models,
        params=(
            Param("all", "bool", "every model of the price book"),
            Param("provider", "str", "the price book of one provider", default=""),
        ),
        show=print_models,
        aliases=("ls",),
    ),
    Verb("model", "show", "what is known of one model", show_model, params=(_MODEL,)),
    Verb(
        "model",
        "test",
        "ask a model one small question",
        test_model,
        params=(_MODEL,),
        show=print_answer,
        role="operator",
        changes=True,
    ),
    Verb(
        "model",
        "ask",
        "ask whichever model the router chooses",
        ask_model,
        params=(
            _PROMPT,
            Param("model", "str", "a model's id, or auto", default="auto"),
            Param("context_file", "path", "a file to work on"),
            _TOKENS,
            Param("temperature", "float", "0 for the likeliest words", default=0.7),
            _LIMIT,
            _FLOOR,
            _LOCAL,
            Param("compress", "bool", "shorten the file first"),
        ),
        show=print_answer,
        role="operator",
        changes=True,
    ),
    Verb(
        "model",
        "route",
        "which model a prompt would go to, without asking it",
        route,
        params=(
            _PROMPT,
            Param("explain", "bool", "with reasons and every candidate"),
            Param("task_type", "str", "the kind of work, when the prompt does not say", default=""),
            _TOKENS,
            _FLOOR,
            _LIMIT,
            _LOCAL,
            Param("cloud", "bool", "only cloud models"),
        ),
        show=print_route,
        examples=('fairlead model route "Summarise: ..." --explain',),
    ),
    Verb(
        "model",
        "train",
        "learn from outcomes which prompts are hard for which model",
        train,
        params=(Param("outcomes", "path", "file of JSON lines", positional=True, required=True),),
        description='Each line is {"prompt": "...", "model": "...", "quality": 0..1}. Prompts without an outcome of '
        "every model are left out. Needs the extra `train`.",
        role="operator",
        changes=True,
    ),
    training_verb("model", "train-classifier"),
)
