"""The record: what a request line, its connection and its fields say, as two blocks of bytes.

    names block:   the field names in lower case, joined by NUL; empty without fields
    values block:  11 values of the request │ one value a name │ TLS │ body length │ body file
                   joined by NUL, latin-1, percent-encoding left as it was sent

TLS is set only if the client's connection is encrypted (tls.py); the body length only if the body
arrived chunked; the body file only with BODY_IN_FILE.
"""

from __future__ import annotations

from collections.abc import Callable

from . import WireFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Positions in the values block.
METHOD = 0
TARGET = 1
PATH = 2
QUERY = 3
PROTOCOL = 4
SCHEME = 5
REMOTE_ADDRESS = 6
REMOTE_PORT = 7
SERVER_NAME = 8
SERVER_PORT = 9
REQUEST_ID = 10
FIELDS = 11
TLS = -3
BODY_LENGTH = -2
BODY_FILE = -1
# Values after those of the fields.
TAIL = 3

# Names blocks that are remembered; the browsers of one site send a few dozen different ones.
MAX_LAYOUTS = 512
# A longer block is not remembered: a client could invent a new one for each request.
MAX_REMEMBERED_BYTES = 2048


def split_names(names: bytes) -> list[bytes]:
    """Splits a names block."""
    return names.split(b"\0") if names else []


def count_values(names: list[bytes]) -> int:
    """How many values belong to these field names."""
    return FIELDS + len(names) + TAIL


def miscounted(values: int, expected: int) -> WireFault:
    """Returns the fault of a record with another number of values."""
    return WireFault(f"a record of {values} values where {expected} belong")


def encode_get(target: str, request_id: str) -> tuple[bytes, bytes]:
    """Encodes the record of `GET target` with `Host: localhost` from this machine → both blocks."""
    path, _, query = target.partition("?")
    values = ["GET", target, path, query, "HTTP/1.1", "http", "127.0.0.1", "0", "localhost", "80"]
    values += [request_id, "localhost", "", "", ""]
    return b"host", "\0".join(values).encode("utf-8", "surrogateescape")


class Layouts(dict["bytes | str", "Any"]):
    """What an interface derives from parts of records, by part; `derive` is called on a new one.

    The names of a client's fields repeat from request to request, and so does what its TLS
    handshake has agreed, so that most requests find theirs here. A full table is emptied: the
    frequent parts are soon back.
    """

    def __init__(
        self,
        derive: Callable[[Any], Any],
        most: int = MAX_LAYOUTS,
        size: int = MAX_REMEMBERED_BYTES,
    ) -> None:
        """`most`: parts that are remembered; `size`: bytes of the longest of them."""
        self._derive = derive
        self._most = most
        self._size = size

    def __missing__(self, part: bytes | str) -> Any:
        layout = self._derive(part)
        if len(part) <= self._size:
            if len(self) >= self._most:
                self.clear()
            self[part] = layout
        return layout
