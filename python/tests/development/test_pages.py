"""Pages of exceptions: chains, groups, syntax errors, long tracebacks, what is escaped."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from typhon_worker.development import page, report
from typhon_worker.development.page import render_exception, render_failure, render_text
from typhon_worker.development.request import RequestFacts
from typhon_worker.development.wrap import page_of

FACTS = RequestFacts("GET", "/a?<b>", "127.0.0.1", [("host", "localhost"), ("x-a", "<i>&'\"")])


def render(error: BaseException, why_hidden: str = "") -> str:
    return render_exception(error, FACTS, why_hidden)


def caught(call: Any) -> BaseException:
    try:
        call()
    except BaseException as error:
        return error
    raise AssertionError


def headings(text: str) -> list[str]:
    found = re.findall(r'<h1>(.*?)</h1>|<h2 class="relation">(.*?)</h2>|"message">(.*?)</p>', text)
    return ["".join(one) for one in found]


def test_escapes_everything() -> None:
    def call() -> None:
        value = "<script>alert('x')</script>\ud800"
        raise ValueError(value)

    text = render(caught(call))
    assert "<script>" not in text
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;\\ud800" in text
    assert "GET /a?&lt;b&gt;" in text
    assert "<td>&lt;i&gt;&amp;&#39;&quot;</td>" in text
    text.encode()


def test_shows_causes_and_contexts_in_their_order() -> None:
    def call() -> None:
        try:
            try:
                raise KeyError("first")
            except KeyError:
                raise ValueError("second")  # noqa: B904
        except ValueError as error:
            raise RuntimeError("third") from error

    assert headings(render(caught(call))) == [
        *("RuntimeError", "third"),
        *("Caused by", "ValueError", "second"),
        *("While this was handled", "KeyError", "&#39;first&#39;"),
    ]


def test_does_not_show_a_suppressed_context() -> None:
    def call() -> None:
        try:
            raise KeyError("hidden")
        except KeyError:
            raise ValueError("seen") from None

    assert headings(render(caught(call))) == ["ValueError", "seen"]


def test_a_chain_that_bites_its_tail_ends() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert render(first).count("<h1>") == 2


def test_a_long_chain_and_a_long_traceback_are_cut() -> None:
    error: BaseException = ValueError(0)
    for number in range(1, 50):
        following = ValueError(number)
        following.__cause__ = error
        error = following
    assert render(error).count("<h1>") == report.MAX_EXCEPTIONS

    def endless(depth: int) -> int:
        return endless(depth + 1)

    text = render(caught(lambda: endless(0)))
    assert text.count("<details") == report.MAX_FRAMES
    assert "frames are left out" in text
    assert len(text) < page.MAX_CHARACTERS


def test_shows_the_members_of_a_group() -> None:
    error = ValueError("several")
    # As ExceptionGroup has them, which came with Python 3.11.
    vars(error)["exceptions"] = (ValueError("one"), KeyError("two"), "no exception")
    text = render(error)
    assert text.count("Inside of the group") == 2
    assert "one" in text
    assert "two" in text


def test_points_at_the_place_of_a_syntax_error(tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text("a = 1\nb = (2\nc = <>\n")
    error = caught(lambda: compile(file.read_text(), str(file), "exec"))
    text = render_failure(error)
    assert str(file) in text
    assert "<mark>" in text
    assert "^" in text
    assert "<h1>SyntaxError</h1>" in text


def test_a_message_that_raises_is_told() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise ValueError

    assert "its message cannot be shown: ValueError" in render(Mute())


def test_variables_are_hidden_with_a_reason() -> None:
    def call() -> None:
        amount = 4711
        raise ValueError(str(amount)[:0])

    error = caught(call)
    assert "<th>amount</th><td>4711</td>" in render(error)
    text = render(error, "Because.")
    assert "<th>amount</th>" not in text
    assert "Because." in text


def test_variables_of_a_module_are_those_that_it_made(tmp_path: Path) -> None:
    code = "import os\nlimit = 3\ndef f(): pass\nclass A: pass\nraise ValueError(limit)\n"
    error = caught(lambda: exec(compile(code, str(tmp_path / "m.py"), "exec"), {}))
    text = render(error)
    assert "<th>limit</th><td>3</td>" in text
    assert "<th>os</th>" not in text
    assert "<th>__builtins__</th>" not in text


def test_a_failure_without_code_of_the_application_has_no_page() -> None:
    def raise_from_nothing() -> None:
        raise ValueError("no module") from None

    assert page_of(caught(raise_from_nothing)) == ""


@pytest.mark.parametrize(
    ("fields", "client", "is_local", "reason"),
    [
        ({"host": "localhost"}, "127.0.0.1", True, ""),
        ({"host": "LOCALHOST:8000"}, "127.0.0.1", True, ""),
        ({"host": "127.0.0.1:8000"}, "127.0.0.1", True, ""),
        ({"host": "shop.localhost:8000"}, "127.0.0.1", True, ""),
        ({"host": "evillocalhost"}, "127.0.0.1", True, "another host"),
        ({"host": "[::1]:8000"}, "::1", True, ""),
        ({"host": "localhost"}, "127.0.0.1", False, "others than this machine"),
        ({"host": "localhost.evil.example"}, "127.0.0.1", True, "another host"),
        ({"host": "127.0.0.1.evil.example"}, "127.0.0.1", True, "another host"),
        ({"host": "evil.example"}, "127.0.0.1", True, "another host"),
        ({}, "127.0.0.1", True, "another host"),
        ({"host": "localhost"}, "192.0.2.1", True, "a proxy"),
        ({"host": "localhost"}, "", True, "a proxy"),
        ({"host": "localhost", "forwarded": "for=a"}, "127.0.0.1", True, "a proxy"),
        ({"host": "localhost", "x-forwarded-host": "a"}, "127.0.0.1", True, "a proxy"),
    ],
)
def test_variables_are_for_this_machine(
    fields: dict[str, str], client: str, is_local: bool, reason: str
) -> None:
    facts = RequestFacts("GET", "/", client, list(fields.items()))
    found = facts.why_hidden(is_local)
    assert reason in found
    assert bool(reason) == bool(found)


@pytest.mark.parametrize(
    ("accept", "wish"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", "page"),
        ("TEXT/HTML", "page"),
        ("text/html;q=0, */*", "text"),
        ("*/*", "text"),
        ("", "text"),
        ("application/json, text/plain, */*", "text"),
        ("application/json", ""),
        ("image/avif,image/webp", ""),
    ],
)
def test_what_a_client_gets(accept: str, wish: str) -> None:
    assert RequestFacts("GET", "/", "", [("accept", accept)]).wish() == wish


@pytest.mark.parametrize(
    "place",
    [
        (__file__, "<script>", 1, ""),
        (__file__, 10**5000, 1, ""),
        (__file__, 1, 10**9, ""),
        (__file__, 1, "<script>", ""),
        (b"<script>", 1, 1, ""),
    ],
)
def test_shows_a_syntax_error_with_anything_in_it(place: Any) -> None:
    def call() -> None:
        raise SyntaxError("odd", place)

    text = render(caught(call))
    assert headings(text) == ["SyntaxError", "odd"]
    assert "<script>" not in text
    assert len(text) < 100_000


def test_masks_messages_in_texts_as_well() -> None:
    def call() -> None:
        password = "of the source"
        raise ValueError(f"postgres://u:s3cret@h and password={password[:0]}s3cret")

    text = render_text(caught(call), RequestFacts("GET", "/?token=s3cret", "", []))
    assert "token=********" in text
    assert "ValueError: postgres://u:********@h and password=********" in text


@pytest.mark.parametrize(
    ("field", "value", "is_hidden"),
    [
        ("origin", "http://evil.example", True),
        ("origin", "null", True),
        ("origin", "http://localhost.evil.example", True),
        ("origin", "http://localhost:5173", False),
        ("origin", "https://[::1]:8443", False),
        ("via", "1.1 tunnel", True),
        ("cf-connecting-ip", "192.0.2.1", True),
        ("x-client-ip", "192.0.2.1", True),
        ("x-other", "1", False),
    ],
)
def test_shows_variables_to_no_other_site_and_through_no_tunnel(
    field: str, value: str, is_hidden: bool
) -> None:
    fields = [("host", "localhost"), (field, value)]
    facts = RequestFacts("GET", "/", "127.0.0.1", fields)
    assert (facts.why_hidden(True) != "") == is_hidden


def test_an_exception_with_an_odd_property_is_shown() -> None:
    class Odd(ValueError):
        @property
        def exceptions(self) -> Any:
            raise RuntimeError

    def call() -> None:
        raise Odd("odd")

    assert headings(render(caught(call)))[1] == "odd"


def test_no_message_ends_the_worker() -> None:
    class Ends(ValueError):
        def __str__(self) -> str:
            raise SystemExit(3)

    def call() -> None:
        raise Ends

    assert "(its message cannot be shown: SystemExit)" in render(caught(call))
