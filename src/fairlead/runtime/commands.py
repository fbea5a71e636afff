"""Programs that an operator may have run on behalf of a run: allowed by name, never through a shell.

Default deny: only programs on the allow-list of the settings start, and a deny-list of destructive forms is refused
even then. A refusal names what was wrong and never repeats the command.
"""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Sequence
from typing import Any

from fairlead.errors import ForbiddenError, InvalidInputError, StepTimeoutError

_DESTRUCTIVE: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("a recursive or forced removal", re.compile(r"^rm\b.*\s-\w*[rRf]|^rm\b.*--(recursive|force)")),
    ("a raw device", re.compile(r"/dev/(?!null\b|stdin\b|stdout\b|stderr\b|zero\b|urandom\b)")),
    ("a file system being made or wiped", re.compile(r"^(mkfs|wipefs|shred|fdisk|parted)\b|^dd\b.*\bof=")),
    ("a permission change from the root down", re.compile(r"^(chmod|chown)\b.*-\w*R.*\s/(\s|$)")),
    ("the password files", re.compile(r"/etc/(passwd|shadow|sudoers)")),
    ("another user's rights", re.compile(r"^(sudo|su|doas|pkexec)\b")),
    ("the machine's power", re.compile(r"^(shutdown|reboot|halt|poweroff|init)\b")),
    ("a forced push or a history rewrite", re.compile(r"^git\b.*\bpush\b.*(--force|-f\b)|^git\b.*\bfilter-branch\b")),
)
_SHELL = re.compile(r"[;&|<>`$\n\r\0]")
_MOST_OUTPUT = 64 * 1024


def check_command(command: str, allow: Sequence[str]) -> list[str]:
    """The words of an allowed command; :class:`ForbiddenError` says which rule refused it."""
    if _SHELL.search(command):
        raise ForbiddenError(
            "the command has characters that only a shell understands.",
            remedy="Give one program with its arguments; pipes, redirections and variables are not available.",
        )
    try:
        words = shlex.split(command)
    except ValueError as exc:
        raise InvalidInputError(f"the command cannot be read: {exc}.", remedy="Check its quotes.") from exc
    if not words:
        raise InvalidInputError("the command is empty.", remedy="Name a program.")
    if words[0] not in allow:
        raise ForbiddenError(
            f"program {words[0]!r} is not on the allow-list.",
            remedy=f"Allowed: {', '.join(allow) or 'none'}. Add it with FAIRLEAD_COMMAND_ALLOW.",
            program=words[0],
        )
    plain = " ".join([words[0].rpartition("/")[2], *words[1:]])
    for what, pattern in _DESTRUCTIVE:
        if pattern.search(plain):
            raise ForbiddenError(f"the command touches {what}, which is never allowed.", remedy="Do it by hand.")
    return words


async def run_command(words: Sequence[str], *, timeout: float = 60.0) -> dict[str, Any]:
    """Runs a checked command without a shell or input; output beyond 64 KiB a stream is cut."""
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as exc:
        raise InvalidInputError(f"program {words[0]!r} cannot be started: {exc}.", remedy="Check the name.") from exc
    try:
        async with asyncio.timeout(timeout):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise StepTimeoutError(f"program {words[0]!r} ran longer than {timeout:g} s and was ended.") from None
    return {
        "exit_code": process.returncode,
        "stdout": out[:_MOST_OUTPUT].decode(errors="replace"),
        "stderr": err[:_MOST_OUTPUT].decode(errors="replace"),
    }
