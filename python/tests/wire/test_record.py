"""The record's layout: what warm-up encodes, and what is remembered of names blocks."""

from __future__ import annotations

import pytest

from messages import record as encode_record
from typhon_worker.wire.record import (
    BODY_FILE,
    BODY_LENGTH,
    FIELDS,
    MAX_LAYOUTS,
    MAX_REMEMBERED_BYTES,
    PATH,
    PROTOCOL,
    QUERY,
    REQUEST_ID,
    SERVER_NAME,
    TARGET,
    TLS,
    Layouts,
    count_values,
    encode_get,
    split_names,
)


def test_finds_each_value_at_its_position() -> None:
    names, block = encode_record(
        path="/a",
        query="b=c",
        fields=(("x", "1"), ("y", "2")),
        tls="{}",
        body_length="3",
        body_file="/body",
    )
    values = block.split(b"\0")
    assert len(values) == count_values(split_names(names)) == 16
    assert values[TARGET] == b"/a?b=c"
    assert values[PATH] == b"/a"
    assert values[QUERY] == b"b=c"
    assert values[PROTOCOL] == b"HTTP/1.1"
    assert values[SERVER_NAME] == b"198.51.100.1"
    assert values[REQUEST_ID] == b"r-1"
    assert values[FIELDS:TLS] == [b"1", b"2"]
    assert values[TLS] == b"{}"
    assert (values[BODY_LENGTH], values[BODY_FILE]) == (b"3", b"/body")


@pytest.mark.parametrize(
    ("block", "names"), [(b"", []), (b"host", [b"host"]), (b"a\0b\0a", [b"a", b"b", b"a"])]
)
def test_splits_a_names_block(block: bytes, names: list[bytes]) -> None:
    assert split_names(block) == names


def test_encodes_a_request_to_itself() -> None:
    names, block = encode_get("/café?x=1", "warmup-1")
    values = block.split(b"\0")
    assert names == b"host"
    assert len(values) == count_values([names])
    assert values[TARGET] == "/café?x=1".encode()
    assert (values[PATH], values[QUERY]) == ("/café".encode(), b"x=1")
    assert (values[REQUEST_ID], values[FIELDS]) == (b"warmup-1", b"localhost")


def test_derives_a_layout_once_for_each_names_block() -> None:
    derived: list[bytes] = []
    layouts = Layouts(lambda names: derived.append(names) or names.upper())
    assert [layouts[b"a"], layouts[b"b"], layouts[b"a"]] == [b"A", b"B", b"A"]
    assert derived == [b"a", b"b"]


def test_remembers_a_bounded_number_of_layouts_and_no_long_one() -> None:
    layouts = Layouts(len)
    for number in range(3 * MAX_LAYOUTS):
        assert layouts[b"x-%d" % number] == len(b"x-%d" % number)
        assert len(layouts) <= MAX_LAYOUTS
    long = b"y" * (MAX_REMEMBERED_BYTES + 1)
    assert layouts[long] == len(long)
    assert long not in layouts
