"""Reports of what threads are doing."""

from __future__ import annotations

import os
from pathlib import Path

from conftest import Serve
from typhon_worker import wire


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
    with path.open("w"):
        worker.send(wire.STACKS)
        log = worker.expect(wire.LOG)
    assert (log.request, log.count) == (0, 2)
    text = log.text()
    assert f'Thread "MainThread", request {request}, taken ' in text
    assert "in wait_here" in text
    assert "gate.read()" in text
    worker.expect(wire.HEAD, request)
