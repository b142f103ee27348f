"""What a client of another make does on WebSockets.

Arguments: the URL of an echo, and "long" for more and larger messages. Prints "ok NAME" or
"failed NAME …" for each part.
"""

import asyncio
import random
import sys
from collections.abc import Awaitable, Callable

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

URL = sys.argv[1]
MIB = 1 << 20
IS_LONG = sys.argv[2:] == ["long"]
LARGEST = (16 if IS_LONG else 2) * MIB
CONNECTIONS, MESSAGES = (50, 200) if IS_LONG else (20, 50)
PATIENCE = 30


async def sends_and_hears() -> None:
    """Text and bytes from nothing to the largest, compressed and not."""
    for compression in (None, "deflate"):
        async with connect(URL, compression=compression, max_size=None) as client:
            for size in (0, 1, 125, 126, 65_535, 65_536, MIB, LARGEST):
                block = random.Random(size).randbytes(min(size, 99_991))
                payload = (block * (size // max(len(block), 1) + 1))[:size]
                await client.send(payload)
                assert await client.recv() == payload, (compression, size)
                text = "é" * min(size // 2, MIB)
                await client.send(text)
                assert await client.recv() == text, (compression, size)


async def sends_fragments() -> None:
    """Messages of which the client does not know the end when it begins."""
    async with connect(URL, max_size=None) as client:
        await client.send(["in ", "", "three ", "pieces ", "é" * 70_000])
        assert await client.recv() == "in three pieces " + "é" * 70_000
        await client.send(bytes([at & 255]) * 1000 for at in range(1000))
        assert await client.recv() == b"".join(bytes([at & 255]) * 1000 for at in range(1000))

        async def slowly():
            for word in ("one ", "two ", "three"):
                await asyncio.sleep(0.01)
                yield word

        await client.send(slowly())
        assert await client.recv() == "one two three"


async def pings() -> None:
    """Pongs come, also while a long message is on its way back."""
    async with connect(URL, max_size=None) as client:
        for _ in range(100):
            assert await (await client.ping()) < PATIENCE
        await client.send(b"x" * LARGEST)
        pong = await client.ping(b"behind it")
        assert len(await client.recv()) == LARGEST
        await pong


async def closes() -> None:
    """Codes and reasons, from either side."""
    for code, reason in ((1000, ""), (1001, "going"), (3000, "é" * 61), (4999, "own")):
        async with connect(URL) as client:
            await client.close(code, reason)
            assert (client.close_code, client.close_reason) == (code, reason)
    for code in (1000, 1001, 1011, 3000, 4999):
        async with connect(URL) as client:
            await client.send(f"close {code} because é")
            try:
                await client.recv()
            except ConnectionClosed as error:
                assert error.rcvd is not None
                assert (error.rcvd.code, error.rcvd.reason) == (code, "because é")
            else:
                raise AssertionError("it did not close")


async def answers_before_it_closes() -> None:
    """What came before the close frame is answered."""
    async with connect(URL) as client:
        for number in range(50):
            await client.send(str(number))
        closing = asyncio.create_task(client.close())
        heard = [message async for message in client]
        await closing
        assert heard == [str(number) for number in range(50)], heard


async def agrees_on_a_subprotocol() -> None:
    """One of those that were offered, or none."""
    for offered, chosen in ((["other", "chat"], "chat"), (["other"], None), (None, None)):
        async with connect(URL, subprotocols=offered) as client:
            assert client.subprotocol == chosen
    try:
        await connect(URL.replace("/echo", "/refuse"))
    except InvalidStatus as error:
        assert error.response.status_code == 403
    else:
        raise AssertionError("it was not refused")


async def one_of_many(number: int) -> None:
    """Sends its messages without waiting, and hears them in order."""
    async with connect(URL, compression="deflate" if number % 2 else None) as client:

        async def speak() -> None:
            for count in range(MESSAGES):
                await client.send(f"{number} {count} " + "x" * (count * number % 3000))

        speaking = asyncio.create_task(speak())
        for count in range(MESSAGES):
            message = await client.recv()
            assert isinstance(message, str)
            assert message.startswith(f"{number} {count} ")
        await speaking


async def many_at_once() -> None:
    """Many connections with many messages each."""
    await asyncio.gather(*(one_of_many(number) for number in range(CONNECTIONS)))


PARTS: list[Callable[[], Awaitable[None]]] = [
    sends_and_hears,
    sends_fragments,
    pings,
    closes,
    answers_before_it_closes,
    agrees_on_a_subprotocol,
    many_at_once,
]


async def main() -> None:
    """Runs one part after the other."""
    for part in PARTS:
        try:
            async with asyncio.timeout(PATIENCE):
                await part()
        except Exception as error:
            print("failed", part.__name__, type(error).__name__, str(error)[:500], flush=True)
        else:
            print("ok", part.__name__, flush=True)


asyncio.run(main())
