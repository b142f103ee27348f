"""Reports of what threads are doing."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from conftest import Serve
from front import read_some
from typhon_worker.process.stacks import STACKS_SIGNAL
from typhon_worker.wire import frames, pages


def test_tells_the_stack_of_each_thread_with_its_request(serve: Serve, tmp_path: Path) -> None:
    front = serve(
        """
        def wait_here(path):
            with open(path) as gate:
                gate.read()

        def app(environ, start_response):
            wait_here(environ["QUERY_STRING"])
            start_response("200 OK", [])
            return []
        """
    )
    worker = front.start_taking()
    path = tmp_path / "gate"
    os.mkfifo(path)
    request = front.ask(query=str(path))
    text = ""
    with path.open("w"):
        # The application may still be between its open, which this one has ended, and its read.
        while "gate.read()" not in text:
            worker.send(frames.STACKS, request)
            text = worker.expect(frames.STACKS_TOLD, request).text()
    assert f'Thread "MainThread", request {request}, taken ' in text
    assert "in wait_here" in text
    # What led there is not the application's.
    assert "typhon_worker" not in text
    worker.expect(frames.HEAD, request)


def test_shows_a_late_request_where_it_was_interrupted(serve: Serve, tmp_path: Path) -> None:
    front = serve(
        """
        def app(environ, start_response):
            open(environ["QUERY_STRING"], "w").close()
            while True:
                pass
        """
    )
    worker = front.start_taking()
    path = tmp_path / "gate"
    os.mkfifo(path)
    request = front.ask(query=str(path))
    path.read_text()
    worker.send(frames.STACKS)
    worker.send(frames.CANCEL, request, count=frames.DEADLINE)
    told = worker.expect(frames.STACKS_TOLD).text()
    assert f'Thread "MainThread", request {request}, taken ' in told
    assert "in app" in told
    assert worker.expect(frames.BODY, request).is_end


def test_writes_them_at_a_signal_while_the_interpreter_is_held(
    serve: Serve, tmp_path: Path
) -> None:
    front = serve(
        """
        import re
        def held(path):
            open(path, "w").close()
            re.match("(a+)+$", "a" * 64 + "b")

        def app(environ, start_response):
            held(environ["QUERY_STRING"])
        """
    )
    worker = front.start_taking()
    path = tmp_path / "gate"
    os.mkfifo(path)
    request = front.ask(query=str(path))
    path.read_text()
    front.say(op="signal", worker=1, signal=STACKS_SIGNAL)
    # The note says which of its threads runs the request.
    notes = os.pread(worker.notes, pages.SLOT_BYTES, 0)
    assert struct.unpack_from("<Q", notes, 8)[0] == request
    ident = struct.unpack_from("<Q", notes, pages.PAGE_BYTES + 16)[0]
    text = ""
    while "in _take_while_leading" not in text or "in listen" not in text:
        text += read_some(worker.stacks, "the stacks").decode()
    of_thread = text[text.index(f"hread 0x{ident:016x}") :].partition("\n\n")[0]
    assert "in held" in of_thread
    assert "in app" in of_thread
