"""Two commands of the command line itself: they start the other faces, so they are no verbs of the table."""

from __future__ import annotations

from fairlead.verbs.table import Param, Verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from fairlead.app import Fairlead
    from fairlead.verbs.context import Context, Output


def serve(
    context: Context,
    host: str = "127.0.0.1",
    port: int = 8420,
    register: str | None = None,
    tls_cert: str | None = None,
    tls_key: str | None = None,
) -> dict[str, Any]:
    import sys

    from fairlead.errors import InvalidInputError

    _require_extra()
    if (tls_cert is None) is not (tls_key is None):
        raise InvalidInputError("--tls-cert and --tls-key go together.", remedy="Give both or none.", field="tls_cert")
    from fairlead.server.serving import Tls
    from fairlead.server.serving import serve as serve_http

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    tls = None if tls_cert is None or tls_key is None else Tls(tls_cert, tls_key)
    return serve_http(context, host=host, port=port, say=say, register=_loaded(register), tls=tls)


def mcp(context: Context, register: str | None = None) -> dict[str, Any]:
    _require_extra()
    from fairlead.server.stdio import serve_stdio

    return serve_stdio(context, register=_loaded(register))


def _require_extra() -> None:
    from importlib.util import find_spec

    from fairlead.errors import MissingDependencyError

    for module in ("fastapi", "uvicorn", "mcp", "jwt", "python_multipart"):
        if find_spec(module) is None:
            raise MissingDependencyError(
                f"the server needs {module}, which is not installed.",
                remedy='Install it with `pip install "fairlead[server]"`.',
                module=module,
            )


def _loaded(name: str | None) -> Callable[[Fairlead], None] | None:
    """The function ``module:function`` that makes agents and workflows known to an opened Fairlead."""
    if name is None:
        return None
    import sys
    from importlib import import_module

    from fairlead.errors import InvalidInputError

    module, _, attribute = name.partition(":")
    sys.path.insert(0, "")
    try:
        found: Callable[[Fairlead], None] = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as exc:
        raise InvalidInputError(
            f"--register {name!r} cannot be loaded: {exc}.", remedy="Give module:function.", field="register"
        ) from exc
    return found


def show_end(value: dict[str, Any], out: Output) -> None:
    for run_id in value["released"]:
        out.line(f"Let go of {run_id}; it goes on when Fairlead is opened next.")


_REGISTER = Param("register", "str", "module:function that registers agents and workflows")

VERBS: tuple[Verb, ...] = (
    Verb(
        "",
        "serve",
        "serve the verbs over HTTP, with live events and MCP",
        serve,
        params=(
            Param("host", "str", "address to serve on; other than loopback it is reachable from outside"),
            Param("port", "int", "port to serve on; 0 takes a free one"),
            Param("tls_cert", "path", "certificate with its chain, PEM: serve over TLS"),
            Param("tls_key", "path", "the certificate's key, PEM"),
            _REGISTER,
        ),
        show=show_end,
        description="Serves until it is interrupted. The first time it makes an admin key and shows it once.",
        examples=("fairlead serve", "fairlead serve --port 9000 --register myagents:register"),
        role="admin",
        changes=True,
    ),
    Verb(
        "",
        "mcp",
        "give the verbs to an MCP client over standard input and output",
        mcp,
        params=(_REGISTER,),
        show=show_end,
        examples=("fairlead mcp",),
        role="admin",
        changes=True,
    ),
)
