"""The chaos pages as a plain WSGI application."""

import time

BEGAN = time.monotonic()

from collections.abc import Iterable  # noqa: E402
from typing import Any  # noqa: E402

import chaos_pages  # noqa: E402


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    body = chaos_pages.respond(environ)
    start_response("200 OK", [chaos_pages.TYPE])
    return body


chaos_pages.note_start(BEGAN)
