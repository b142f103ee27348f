"""Plain WSGI, no framework: what is left is the server's own cost.

"/" 13 bytes, "/10k" 10,240 bytes, "/length" the length of the posted body. The same responses as
raw_asgi.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

HELLO = b"Hello, World!"
PAGE = b"0123456789abcdef" * 640
HELLO_FIELDS = [("Content-Type", "text/plain"), ("Content-Length", str(len(HELLO)))]
PAGE_FIELDS = [("Content-Type", "text/plain"), ("Content-Length", str(len(PAGE)))]


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Respond with one of the three pages."""
    path = environ["PATH_INFO"]
    if path == "/":
        start_response("200 OK", HELLO_FIELDS)
        return [HELLO]
    if path == "/10k":
        start_response("200 OK", PAGE_FIELDS)
        return [PAGE]
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length)
    text = b"%d" % len(body)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [text]
