"""Runs the Autobahn cases against a WebSocket server, by kosoku.

Arguments: the server's URL, then the cases, as kosoku names them ("12.*"); none: all. Prints one
line for each case, with tabs between: its number, the verdicts on the messages and on the closing
handshake, its description, and the reasons of both verdicts.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Any

from kosoku import FailureError, run_fuzzingclient
from kosoku._caseindex import initialize_shims
from kosoku._kosoku import CaseResult

# kosoku 0.1.0 cuts each case after 20 s, where the suite allows 480: on a machine that does
# something else, a thousand messages of 128 KiB may need another turn.
LATE = "Case did not finish within"
MAX_REPEATS = 2


def as_bytes(on_message: Callable[..., None]) -> Callable[..., None]:
    """Mend a case that was written for Python 2, where a message was bytes.

    kosoku 0.1.0 gives what came uncompressed as a str, bytes as their Latin-1; these cases hash it,
    and fail with "Strings must be encoded before hashing" against every server that leaves small
    messages uncompressed.
    """

    def mended(case: Any, message: bytes | str, binary: bool) -> None:
        if isinstance(message, str):
            message = message.encode("latin-1" if binary else "utf-8")
        on_message(case, message, binary)

    return mended


def mend_cases() -> None:
    """Mend the cases about compression, before kosoku reads them."""
    initialize_shims()
    import case12_x_x

    for case in case12_x_x.Case12_X_X + case12_x_x.Case13_X_X:
        case.onMessage = as_bytes(case.onMessage)


async def run(url: str, cases: list[str] | None) -> dict[str, CaseResult]:
    """Run cases one after the other: they have limits of time. Returns the results by number."""
    try:
        results = await run_fuzzingclient(url, cases)
    except FailureError as failure:
        results = failure.results
    return {one.case_id: one for one in results}


async def main(url: str, cases: list[str]) -> None:
    """Run the cases, and print what became of each."""
    results = await run(url, cases or None)
    for _ in range(MAX_REPEATS):
        late = [number for number, one in results.items() if one.result.startswith(LATE)]
        if late:
            results.update(await run(url, late))
    for one in results.values():
        verdicts = one.behavior.value, one.behavior_close.value
        texts = (one.description, one.result, one.result_close)
        print(one.case_id, *verdicts, *(" ".join(text.split()) for text in texts), sep="\t")


mend_cases()
asyncio.run(main(sys.argv[1], sys.argv[2:]))
# kosoku 0.1.0 aborts now and then when the interpreter frees its threads.
sys.stdout.flush()
os._exit(0)
