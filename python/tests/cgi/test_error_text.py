"""The text of a program's standard error."""

from __future__ import annotations

from typhon_worker.cgi.error_text import MAX_ERROR_BYTES, ErrorText


def test_gives_whole_lines() -> None:
    text = ErrorText()
    assert text.push(b"on") == ""
    assert text.push(b"e\ntwo\nthr") == "one\ntwo\n"
    assert text.flush() == "thr"
    assert text.flush() == ""


def test_gives_a_long_line_in_pieces() -> None:
    text = ErrorText()
    assert text.push(b"x" * 8191) == ""
    assert text.push(b"x") == "x" * 8192


def test_decodes_what_is_no_utf8() -> None:
    assert ErrorText().push(b"\xc3\xa9\xff\n") == "é\ufffd\n"


def test_cuts_once_what_is_more_than_the_limit() -> None:
    text = ErrorText()
    assert text.push(b"a\n" * (MAX_ERROR_BYTES // 2)) == "a\n" * (MAX_ERROR_BYTES // 2)
    assert text.push(b"") == ""
    assert text.push(b"b") == "…"
    assert text.push(b"c\n") == ""
    assert text.flush() == ""


def test_cuts_in_the_middle_of_a_line() -> None:
    text = ErrorText()
    assert text.push(b"x" * (MAX_ERROR_BYTES + 5)) == "x" * MAX_ERROR_BYTES + "…"
