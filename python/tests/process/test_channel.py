"""The channel's own costs and limits."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from conftest import Serve
from front import response_to
from typhon_worker.process import channel
from typhon_worker.wire import frames

APP = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"x"]
"""


def test_taking_responses_does_not_wake_the_listener(serve: Serve) -> None:
    front = serve(APP)
    worker = front.start_taking()
    response_to(worker, front.ask())
    # Threads in the order of their making: the main one, then the listener.
    tasks = sorted(int(task.name) for task in Path(f"/proc/{worker.pid}/task").iterdir())
    assert len(tasks) == 2

    def wake_ups() -> int:
        status = Path(f"/proc/{worker.pid}/task/{tasks[1]}/status").read_text()
        return int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0])

    before = wake_ups()
    for _ in range(200):
        response_to(worker, front.ask())
    assert wake_ups() - before < 10


def test_does_not_wait_for_ever_for_a_front_that_has_not_heard_of_it(tmp_path: Path) -> None:
    door = socket.socket(socket.AF_UNIX)
    door.bind(str(tmp_path / "door"))
    door.listen(1)
    fd = door.detach()
    with pytest.raises(TimeoutError):
        channel.Channel.accept(fd, timeout=0.01)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_many_threads_send_whole_frames(serve: Serve) -> None:
    front = serve(
        """
        import time
        def app(environ, start_response):
            start_response("200 OK", [])
            for number in range(20):
                time.sleep(0.002)
                yield environ["HTTP_X_REQUEST_ID"].encode() * 2000
        """,
        threads=8,
    )
    worker = front.start_taking()
    names = {front.ask(request_id=f"{number:03}"): f"{number:03}" for number in range(40)}
    bodies = dict.fromkeys(names, b"")
    while names:
        frame = worker.next_frame()
        assert frame.kind in (frames.HEAD, frames.BODY)
        bodies[frame.request] += frame.body()
        if frame.is_end:
            assert bodies[frame.request] == names.pop(frame.request).encode() * 40_000
