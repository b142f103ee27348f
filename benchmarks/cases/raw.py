"""Plain WSGI, no framework: what is left is the server's own cost.

"/" 13 bytes, "/10k" 10,240 bytes, "/length" the length of the posted body, "/count" the same, read
in pieces, "/blocks/N" N blocks of 1 MiB: the same responses as raw_asgi.py. "/rows" is JSON that is
worth compressing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

HELLO = b"Hello, World!"
PAGE = b"0123456789abcdef" * 640
BLOCK = b"0123456789abcdef" * 65_536
PIECE = 65_536
HELLO_FIELDS = [("Content-Type", "text/plain"), ("Content-Length", str(len(HELLO)))]
PAGE_FIELDS = [("Content-Type", "text/plain"), ("Content-Length", str(len(PAGE)))]
TAGS = ["blue", "orange", "green"]
# edge-cases.ts makes the same text.
ROWS = json.dumps(
    [
        {
            "id": n,
            "name": f"item {n * 7919 % 10007}",
            "price": n * 104729 % 99991,
            "tags": TAGS[n % 3 :],
        }
        for n in range(150)
    ],
    separators=(",", ":"),
).encode()
ROWS_FIELDS = [("Content-Type", "application/json"), ("Content-Length", str(len(ROWS)))]


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Respond with one of the pages."""
    path = environ["PATH_INFO"]
    if path == "/":
        start_response("200 OK", HELLO_FIELDS)
        return [HELLO]
    if path == "/10k":
        start_response("200 OK", PAGE_FIELDS)
        return [PAGE]
    if path == "/rows":
        start_response("200 OK", ROWS_FIELDS)
        return [ROWS]
    if path.startswith("/blocks/"):
        count = int(path[8:])
        fields = [("Content-Type", "text/plain"), ("Content-Length", str(count * len(BLOCK)))]
        start_response("200 OK", fields)
        return (BLOCK for _ in range(count))
    if path == "/count":
        received = 0
        while part := environ["wsgi.input"].read(PIECE):
            received += len(part)
        text = b"%d" % received
        fields = [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))]
        start_response("200 OK", fields)
        return [text]
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length)
    text = b"%d" % len(body)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [text]
