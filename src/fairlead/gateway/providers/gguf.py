"""An in-process server for a GGUF model file (extra ``local``), reached like any other OpenAI-compatible server."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from fairlead.errors import MissingDependencyError, NotFoundError

_lock = threading.Lock()
_servers: dict[str, Any] = {}


def serve(path: str) -> str:
    """Starts a llama.cpp server for a model file on a free loopback port, once per file; returns its ``/v1`` address.

    It ends with the process. Raises :class:`NotFoundError` without the file and :class:`MissingDependencyError`
    without ``xllamacpp``.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise NotFoundError(f"there is no model file {path!r}.", remedy="Give the path of a .gguf file.", path=path)
    try:
        import xllamacpp
    except ImportError as exc:
        raise MissingDependencyError(
            "serving a model file needs xllamacpp.", remedy="Install it: pip install 'fairlead[local]'."
        ) from exc
    with _lock:
        server = _servers.get(str(file))
        if server is None:
            params = xllamacpp.CommonParams()
            params.model.path = str(file)
            params.hostnames = ["127.0.0.1"]
            params.port = 0
            params.verbosity = 0
            server = _servers[str(file)] = xllamacpp.Server(params)
    return f"{server.listening_address}/v1"
