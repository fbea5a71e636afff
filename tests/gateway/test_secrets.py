"""Secrets never show: not in errors, events, logs or the ledger, whatever a provider says back."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.events import Event
from fairlead.gateway.accounts import Accounts
from fairlead.gateway.gateway import Gateway
from fairlead.gateway.messages import GenerationRequest
from fairlead.gateway.redaction import redact
from fairlead.store import Database
from fairlead.testing.model_server import ModelServer
from tests.gateway.support import HandClock, priced

SECRET = "sk-live-4f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c"


@pytest.mark.usefixtures("tenant")
@pytest.mark.parametrize("fault", ["401", "400", "500", "429", "reset", "malformed"])
async def test_a_provider_that_repeats_the_key_does_not_spread_it(
    make_gateway: Callable[..., Gateway],
    server: ModelServer,
    database: Database,
    clock: HandClock,
    caplog: pytest.LogCaptureFixture,
    fault: str,
) -> None:
    table = priced(server, attempts=1)
    table["providers"]["one"]["key_variable"] = "MY_PROVIDER_KEY"
    gateway = make_gateway(table, variables={"MY_PROVIDER_KEY": SECRET})
    heard: list[Event] = []
    database.bus.subscribe(heard.append)
    server.repeat_key = True
    server.fail_always(fault)
    with caplog.at_level(logging.DEBUG):
        response = await gateway.generate(GenerationRequest(prompt="Write.", force_cloud=True))
    assert server.headers[0]["authorization"] == f"Bearer {SECRET}"
    assert not response.success
    ledger = Accounts(database, clock).calls("acme")
    spread = json.dumps(
        [
            response.to_dict(),
            [e.to_dict() for e in heard],
            ledger,
            repr(gateway.config),
            gateway.catalogue.get("one:m").to_dict(),
        ],
        default=str,
    )
    assert heard and ledger
    assert SECRET not in spread
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("fairlead")]
    assert SECRET not in "".join(ours)
    await gateway.close()


@pytest.mark.parametrize(
    "text",
    [
        f"Incorrect API key provided: {SECRET}.",
        f"header Authorization: Bearer {SECRET}",
        f'{{"api_key": "{SECRET}"}}',
        "https://user:hunter2hunter2@example.org/v1",
        "AKIAABCDEFGHIJKLMNOP was refused",
        "token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0.c2lnbmF0dXJl expired",
    ],
)
def test_things_shaped_like_secrets_are_masked(text: str) -> None:
    shown = redact(text)
    assert "[redacted]" in shown
    for piece in (SECRET, "hunter2", "AKIAABCDEFGHIJKLMNOP", "eyJhbGci"):
        assert piece not in shown


@given(st.text("abcdefghij0123456789!$%", min_size=8, max_size=40), st.text(max_size=30), st.text(max_size=30))
def test_a_known_secret_is_masked_whatever_its_shape(secret: str, before: str, after: str) -> None:
    assert secret not in redact(before + secret + after, [secret])


def test_plain_words_are_left_alone() -> None:
    text = "The model asked for fewer calls (429); try again in 20 s."
    assert redact(text) == text
