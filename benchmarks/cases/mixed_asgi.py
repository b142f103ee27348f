"""The pages of mixed.py as an ASGI application: "/sleep" awaits, "/cpu" keeps the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from mixed import CPU_SECONDS, SLEEP_SECONDS, compute

FIELDS = [(b"content-type", b"text/plain"), (b"content-length", b"5")]


async def app(
    scope: dict[str, Any],
    _receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Send five bytes, at once or after the work that the path names; decline lifespan."""
    if scope["type"] != "http":
        raise RuntimeError("only http")
    path = scope["path"]
    if path == "/sleep":
        await asyncio.sleep(SLEEP_SECONDS)
    elif path == "/cpu":
        compute(CPU_SECONDS)
    await send({"type": "http.response.start", "status": 200, "headers": FIELDS})
    await send({"type": "http.response.body", "body": b"done\n"})
