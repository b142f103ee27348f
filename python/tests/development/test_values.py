"""Values on a page: bounded, without secrets, whatever an object's repr does."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Any

import pytest

from typhon_worker.development import values
from typhon_worker.development.values import MASK, Secrets, ValueWriter, is_secret_name


def write(value: Any, name: str = "value", secrets: Secrets | None = None) -> str:
    return ValueWriter(secrets or Secrets()).write(name, value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (None, "None"),
        ("a'b", '"a\'b"'),
        (b"ab", "b'ab'"),
        ((), "()"),
        ((1,), "(1,)"),
        ([1, "a", {"b": (2, 3)}], "[1, 'a', {'b': (2, 3)}]"),
        (frozenset((1,)), "frozenset({1})"),
        (OrderedDict(a=1), "OrderedDict{'a': 1}"),
        ([[[[[1]]]]], "[[[[[…]]]]]"),
        (list(range(100)), f"[{', '.join(map(str, range(20)))}, … 80 more]"),
        ("x" * 500, f"'{'x' * 400}'… 100 more"),
        pytest.param(1 << 20_000, "<int of 20001 bits>", id="a number of many digits"),
    ],
)
def test_writes_values_as_python_does_and_no_more_than_fits(value: Any, text: str) -> None:
    assert write(value) == text


@pytest.mark.parametrize(
    "name",
    [
        *("password", "db_passwd", "PASS", "user_pass", "api_key", "SECRET_KEY", "accessToken"),
        *("cookie", "cookies", "HTTP_AUTHORIZATION", "authorization", "auth", "credentials"),
        *("csrfmiddlewaretoken", "session_id", "pwd", "SENTRY_DSN", b"set-cookie"),
    ],
)
def test_masks_by_name(name: str | bytes) -> None:
    assert is_secret_name(name)
    assert write("s3cret", str(name)) == MASK
    assert "s3cret" not in write({"a": {name: "s3cret"}})
    assert "s3cret" not in write([(name, "s3cret")])


@pytest.mark.parametrize("name", ["author", "authors", "passed", "compass", "items", "session"])
def test_shows_what_is_only_spelled_alike(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "text",
    [
        "Settings(password='s3cret', host='h')",
        'Settings(api_key="s3cret")',
        "token=s3cret&a=1",
        '{"access_token": "s3cret"}',
        "postgres://user:s3cret@host/db",
        "postgres://user:p@s3cret@host/db",
        r"{'password': 'it\'s3cret'}",
        r"""{"token": "a\"s3cret"}""",
        "redis://:s3cret@host",
        "Authorization: s3cret",
    ],
)
def test_masks_assignments_inside_of_texts(text: str) -> None:
    class Told:
        def __repr__(self) -> str:
            return text

    assert "s3cret" not in write(text)
    assert "s3cret" not in write(Told())
    assert "s3cret" not in write([{"x": Told()}])


def test_masks_what_a_field_of_the_request_has() -> None:
    secrets = Secrets()
    secrets.learn("Bearer abcdefghij")
    secrets.learn("a=1; session=topsecret; short=xy")
    assert write("abcdefghij", secrets=secrets) == f"'{MASK}'"
    assert "topsecret" not in write(["x topsecret y"], secrets=secrets)
    assert write("xy", secrets=secrets) == "'xy'"


class Raises:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class NoText:
    def __repr__(self) -> Any:
        return 1


class Endless:
    def __repr__(self) -> str:
        while True:
            try:
                pass
            except Exception:
                continue


class Recursive:
    def __repr__(self) -> str:
        return repr(self)


class Liar(dict[str, int]):
    def items(self) -> Any:
        raise RuntimeError("no")

    def __len__(self) -> int:
        return 10**9


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Raises(), "<Raises: its repr raises RuntimeError>"),
        (NoText(), "<NoText: its repr raises TypeError>"),
        (Recursive(), "<Recursive: its repr raises RecursionError>"),
        ([Raises()], "[<Raises: its repr raises RuntimeError>]"),
        (Liar(a=1), "Liar{'a': 1}"),
    ],
)
def test_tells_of_a_repr_that_fails(value: Any, text: str) -> None:
    assert write(value) == text


def test_ends_a_repr_that_does_not_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "MAX_SECONDS", 0.05)
    writer = ValueWriter(Secrets())
    assert writer.write("a", Endless()) == "<Endless: its repr takes too long>"
    # The time is that of the whole page.
    assert "took too long" in writer.write("b", object())


def test_leaves_a_debugger_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values.sys, "gettrace", lambda: print)
    monkeypatch.setattr(values.sys, "settrace", pytest.fail)
    assert write(time).startswith("<module")


def test_a_value_has_at_most_so_many_characters() -> None:
    assert len(write([["x" * 399] * 20] * 20)) < values.MAX_CHARACTERS + 100


@pytest.mark.parametrize(
    "text", ["key" * 100_000, "a" * 300_000, "key= " * 60_000, "key " * 75_000]
)
def test_masks_long_texts_of_a_client_at_once(text: str) -> None:
    # With a pattern that reads a word anew from each of its characters this takes days.
    assert MASK not in Secrets().mask(text) or text.startswith("key=")


def test_masks_what_stands_behind_other_names() -> None:
    assert Secrets().mask("note: password=abc, b") == f"note: password={MASK}, b"
    assert Secrets().mask("password=token=abc") == f"password={MASK}"


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_no_repr_ends_the_worker(kind: type[BaseException]) -> None:
    class Ends:
        def __repr__(self) -> str:
            raise kind

    assert write(Ends()) == f"<Ends: its repr raises {kind.__name__}>"
