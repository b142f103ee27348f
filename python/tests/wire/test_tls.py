"""What the TLS value of a record becomes, once for each handshake."""

from __future__ import annotations

import json
from typing import Any

import pytest

from messages import handshake
from typhon_worker.wire import WireFault
from typhon_worker.wire.tls import MAX_HANDSHAKE_BYTES, MAX_HANDSHAKES, remembered


def test_derives_once_for_each_handshake() -> None:
    derived: list[Any] = []
    handshakes = remembered(lambda one: derived.append(one) or len(derived))
    texts = [handshake(server_name=name).encode() for name in ("a", "b", "a")]
    assert [handshakes[text] for text in texts] == [1, 2, 1]
    assert [one["server_name"] for one in derived] == ["a", "b"]


def test_remembers_a_bounded_number_of_handshakes_and_no_long_one() -> None:
    handshakes = remembered(lambda one: one["server_name"])
    for number in range(3 * MAX_HANDSHAKES):
        handshakes[handshake(server_name=str(number)).encode()]
        assert 0 < len(handshakes) <= MAX_HANDSHAKES
    long = handshake(server_name="x" * MAX_HANDSHAKE_BYTES).encode()
    assert handshakes[long] == "x" * MAX_HANDSHAKE_BYTES
    assert long not in handshakes


@pytest.mark.parametrize("text", [b"x", b"[]", b"1", b"\xff", b"{}", b'{"version": 1'])
def test_refuses_what_is_no_handshake(text: bytes) -> None:
    with pytest.raises(WireFault, match="TLS is no handshake"):
        remembered(lambda one: one["version"])[text]


def test_the_text_is_ascii() -> None:
    assert json.loads(handshake(subject="CN=é€"))["client"]["subject"] == "CN=é€"
    assert handshake(subject="CN=é€").isascii()
