"""Exceptions as text."""

from __future__ import annotations

import pytest

from typhon_worker.process.tracebacks import ApplicationFault, count_frames, describe, describe_type
from typhon_worker.wire.frames import MAX_TEXT_CHARACTERS, encode_text


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Impossible(Exception):
    @property
    def __cause__(self) -> BaseException:  # type: ignore[override]
        raise RuntimeError("no cause")


def caught(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as raised:
        return raised


def test_tells_type_text_and_frames() -> None:
    text = describe(caught(ValueError("é")))
    assert text.startswith("Traceback (most recent call last):\n  File ")
    assert text.endswith("ValueError: é")
    assert count_frames(caught(ValueError())) == 1


def test_tells_a_broken_rule_by_its_text_alone() -> None:
    assert describe(caught(ApplicationFault("no bytes"))) == "no bytes"


def test_never_fails() -> None:
    assert "Unprintable" in describe(caught(Unprintable()))
    assert "Impossible" in describe(caught(Impossible()))
    loop = caught(ValueError("a"))
    loop.__context__ = caught(KeyError("b"))
    loop.__context__.__context__ = loop
    assert "ValueError: a" in describe(loop)


def test_strips_no_frame_of_the_application_deep_in_recursion() -> None:
    def deeper(level: int) -> None:
        deeper(level + 1)

    with pytest.raises(RecursionError) as raised:
        deeper(0)
    assert "previous line repeated" in describe(raised.value).lower()


def test_names_kinds_for_a_sentence() -> None:
    kinds = [describe_type(value) for value in (None, b"", "", 5, object())]
    assert kinds == ["None", "bytes", "a str", "an int", "an object"]


def test_cuts_the_middle_of_a_long_text_and_encodes_anything() -> None:
    text = encode_text("a" + "x" * 200_000 + "b").decode()
    assert len(text) < MAX_TEXT_CHARACTERS + 100
    assert text[0] == "a"
    assert text[-1] == "b"
    assert "characters left out" in text
    assert encode_text("\udc80é") == b"\\udc80\xc3\xa9"
