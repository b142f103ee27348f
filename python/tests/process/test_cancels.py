"""Requests that are given up while their pages wait."""

from __future__ import annotations

import os
import stat

from conftest import Serve
from front import response_to, wait_until
from typhon_worker.wire import frames, pages

APP = """
count = 0
def app(environ, start_response):
    global count
    count += 1
    start_response("200 OK", [])
    return [str(count).encode()]
"""


def test_does_not_begin_what_was_given_up(serve: Serve) -> None:
    front = serve(APP)
    worker = front.start()
    worker.expect(frames.READY)
    given_up, wanted = front.ask(), front.ask()
    front.give_up(given_up)
    worker.send(frames.TAKE)
    worker.expect(frames.EXPIRED, given_up)
    assert response_to(worker, wanted)[1] == b"1"
    wait_until(lambda: not worker.noted(), "empty notes")


def test_begins_another_request_of_the_same_slot(serve: Serve) -> None:
    front = serve(APP)
    worker = front.start_taking()
    front._last_id = 5
    front.give_up(6 + pages.CANCEL_SLOTS)
    assert response_to(worker, front.ask())[1] == b"1"
    front._last_id = 5 + pages.CANCEL_SLOTS
    worker.expect(frames.EXPIRED, front.ask())
    assert response_to(worker, front.ask())[1] == b"2"


def test_the_slots_are_a_file_of_the_user_alone(serve: Serve) -> None:
    front = serve(APP)
    status = os.fstat(front.cancels)
    assert status.st_size == 65_536
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert os.pread(front.cancels, 65_536, 0) == bytes(65_536)
