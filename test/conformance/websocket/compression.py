"""Compressed messages from a client of another make: sections 12 and 13 of the Autobahn list.

For each offer, and each row of bytes, count and frame size, that many messages go there and come
back, each before the next. Arguments: the URL, then one JSON list of cases; prints one line of JSON
for each.
"""

import asyncio
import functools
import json
import sys
from collections.abc import Iterator
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

TEXT = "the quick brown fox jumps over the lazy dog while seven wizards mix ünïcödé pötions"
WORDS = TEXT.split()


def numbers(seed: int) -> Iterator[int]:
    """The same row of numbers in each run."""
    state = seed
    while True:
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        yield state >> 8


@functools.cache
def stock(kind: str, size: int) -> bytes:
    """Bytes of one kind: how well they can be compressed differs."""
    row = numbers(len(kind))
    if kind == "noise":
        return bytes(next(row) & 255 for _ in range(size))
    if kind == "picture":
        return bytes((at // 7 + (next(row) & 3)) & 255 for at in range(size))
    if kind == "prose":
        text = " ".join(WORDS[next(row) % len(WORDS)] for _ in range(size // 5))
        return text.encode()[:size]
    rows = []
    length = 0
    while length < size:
        name = WORDS[next(row) % len(WORDS)]
        line = json.dumps({"id": len(rows), "name": name, "score": next(row) % 1000})
        rows.append(f"<li>{line}</li>" if kind == "html" else line)
        length += len(rows[-1]) + 2
    return ",\n".join(rows).encode()[:size]


def cut(message: Any, size: int) -> Any:
    """A message, or its fragments."""
    if size == 0:
        return message
    return [message[at : at + size] for at in range(0, len(message), size)]


async def exchange(
    client: ClientConnection, source: bytes, is_text: bool, row: tuple[int, int, int]
) -> None:
    """Sends and hears the messages of one row."""
    size, count, frame = row
    for number in range(count):
        start = number * 997 % (len(source) - size + 1)
        message: str | bytes = source[start : start + size]
        if is_text:
            message = message.decode("latin-1")
        await client.send(cut(message, frame))
        async with asyncio.timeout(20):
            echo = await client.recv()
        assert echo == message, f"{size} bytes in frames of {frame}: message {number} differs"


async def run(url: str, case: dict[str, Any]) -> str:
    """Runs one case; what the server has agreed to."""
    offers = [ClientPerMessageDeflateFactory(**offer) for offer in case["offers"]]
    source = stock(case["stock"], 262_144)
    async with connect(url, compression=None, extensions=offers, max_size=None) as client:
        for row in case["rows"]:
            await exchange(client, source, case["text"], row)
        agreed = client.response.headers["Sec-WebSocket-Extensions"]
    assert client.close_code == 1000, client.close_code
    return str(agreed)


async def main() -> None:
    """Runs them one after the other."""
    for case in json.loads(sys.argv[2]):
        try:
            result = {"agreed": await run(sys.argv[1], case)}
        except Exception as error:
            result = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps(result), flush=True)


asyncio.run(main())
