"""What is private is found and cannot be read afterwards; what only looks like it stays."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.pipeline.privacy import find_private, iban_holds, luhn_holds, redact


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("email", "jane.roe+list@mail.example.co.uk"),
        ("phone", "+44 20 7946 0958"),
        ("phone", "(212) 555-0143 22"),
        ("phone", "+4915112345678"),
        ("card", "4111 1111 1111 1111"),
        ("card", "5500-0055-5555-5559"),
        ("iban", "DE89 3704 0044 0532 0130 00"),
        ("ssn", "219-09-9999"),
        ("ip", "192.168.17.4"),
        ("key", "AKIA" + "ABCDEFGHIJKLMNOP"),
        ("key", "ghp_" + "a1B2" * 9),
        ("secret", "password: hunter2hunter2"),
    ],
)
def test_found_and_gone(kind: str, value: str) -> None:
    text = f"Write to {value} if it is late."
    (found,) = find_private(text)
    assert (found.kind, text[found.start : found.end]) == (kind, value)
    clean, counts = redact(text)
    assert value not in clean
    assert clean == f"Write to [{kind}-1] if it is late."
    assert counts == {kind: 1}


@pytest.mark.parametrize(
    "text",
    [
        "The meeting is on 2024-05-17 at 10:30, room 1234.",
        "Version 10.2.3.1024 has 1,234,567,890 downloads.",
        "The number 4111 1111 1111 1112 fails the check.",
        "Use @decorator on line 1234-5678 of the file.",
        "The token is a word, and a password should be long.",
        "127.0.0.1 is this machine, and pi is 3.14159265358979.",
    ],
)
def test_what_only_looks_private_stays(text: str) -> None:
    assert redact(text) == (text, {})


def test_the_same_value_has_the_same_number() -> None:
    clean, counts = redact("a@x.org wrote to b@x.org, and b@x.org answered A@x.org.")
    assert clean == "[email-1] wrote to [email-2], and [email-2] answered [email-1]."
    assert counts == {"email": 4}


def test_a_private_key_goes_whole() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabcd\n-----END RSA PRIVATE KEY-----"
    assert redact(f"key:\n{key}\nend") == ("key:\n[private-key-1]\nend", {"private-key": 1})


def test_checks() -> None:
    assert luhn_holds("79927398713")
    assert not luhn_holds("79927398710")
    assert not luhn_holds("0000000000000000")
    assert iban_holds("GB82 WEST 1234 5698 7654 32")
    assert not iban_holds("GB82 WEST 1234 5698 7654 33")


@settings(deadline=None, max_examples=100)
@given(st.text(alphabet=st.sampled_from("ab1 4.-@+()[]/\n"), max_size=200))
def test_redaction_is_stable_and_finds_are_apart(text: str) -> None:
    found = find_private(text)
    assert all(one.end <= other.start for one, other in itertools.pairwise(found))
    clean, _ = redact(text)
    assert redact(clean)[0] == clean


@pytest.mark.parametrize(
    "text", ["1 " * 50_000, "a" * 200_000 + "@", "1.1." * 50_000, "-----BEGIN PRIVATE KEY-----" * 200, "a.b" * 60_000]
)
def test_no_text_stalls_it(text: str) -> None:
    start = time.process_time()
    redact(text)
    assert time.process_time() - start < 10
