"""Heads as they go to the front."""

from __future__ import annotations

from typing import Any

import pytest

from typhon_worker.wsgi.response_head import encode_head, explain_head, is_live


def test_joins_status_and_fields_by_nul() -> None:
    assert encode_head("200 OK", [("A", "1"), ("b", "\xe9")]) == (b"200 OK\0A\x001\0b\0\xe9", 2, -1)
    assert encode_head("204 No Content", []) == (b"204 No Content", 0, -1)


@pytest.mark.parametrize(
    ("value", "length"),
    [("0", 0), ("13", 13), ("", -1), ("+1", -1), ("1 ", -1), ("\xb2", -1), ("9" * 19, -1)],
)
def test_reads_a_content_length_in_digits(value: str, length: int) -> None:
    assert encode_head("200 OK", [("A", "1"), ("CONTENT-Length", value)])[2] == length
    assert encode_head("200 OK", [("Content-Lengtj", value)])[2] == -1


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (None, []),
        (b"200 OK", []),
        ("200 \u20ac", []),
        ("200 OK", None),
        ("200 OK", 5),
        ("200 OK", ["name"]),
        ("200 OK", [("a", "b", "c")]),
        ("200 OK", [("a",)]),
        ("200 OK", [(b"a", "b")]),
        ("200 OK", [("a", None)]),
        ("200 OK", [(5, "b")]),
        ("200 OK", [("\u20ac", "b")]),
        ("200 OK", [("a", "\u20ac")]),
        ("200 OK", {"a": "b"}),
    ],
)
def test_refuses_and_explains(status: Any, headers: Any) -> None:
    with pytest.raises((TypeError, ValueError, AttributeError)):
        encode_head(status, headers)
    text = explain_head(status, headers)
    assert text.startswith("start_response(): ")
    assert text != "start_response(): status and headers cannot be joined"


@pytest.mark.parametrize(
    ("headers", "live"),
    [
        ([], False),
        ([("Content-Type", "text/event-stream")], True),
        ([("content-type", "Text/Event-Stream; charset=utf-8")], True),
        ([("Content-Type", "multipart/x-mixed-replace;boundary=frame")], True),
        ([("Content-Type", "text/event-streams")], False),
        ([("X-Content-Type", "text/event-stream")], False),
        ([("X-A", "content-type"), ("text/event-stream", "b")], False),
        ([("X-Accel-Buffering", "no"), ("Content-Type", "video/mp4")], True),
        ([("x-accel-buffering", "NO")], True),
        ([("X-Accel-Buffering", "yes"), ("Content-Type", "text/event-stream")], False),
        ([("X-Accel-Buffering", "off"), ("Content-Type", "text/event-stream")], True),
    ],
)
def test_knows_what_is_live(headers: list[tuple[str, str]], live: bool) -> None:
    assert is_live(encode_head("200 OK", headers)[0]) is live
