"""A small application with the imports that small applications have; for the start-up time."""

from __future__ import annotations

import datetime
import html
import json
import urllib.parse
from collections.abc import Callable, Iterable
from typing import Any


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Respond with a JSON object that says when and what was asked."""
    query = urllib.parse.parse_qs(environ.get("QUERY_STRING", ""))
    name = html.escape(query.get("name", ["World"])[0])
    now = datetime.datetime.now().astimezone().isoformat()
    body = json.dumps({"hello": name, "now": now}).encode()
    fields = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response("200 OK", fields)
    return [body]
