"""Taking from the queue: notes, fences, late pages, poison, and who takes."""

from __future__ import annotations

import os
import signal
import struct
import time
from pathlib import Path

import pytest

from conftest import Serve
from front import response_to, wait_until
from messages import encode_page, record
from typhon_worker.wire import frames, pages

# Tells through files what runs, and waits in a FIFO until it may go on.
GATED = """
import os, threading
from pathlib import Path

folder = Path(__file__).parent

def app(environ, start_response):
    name = environ["PATH_INFO"][1:]
    if name != "quick":
        with open(folder / name) as gate:
            gate.read()
    start_response("200 OK", [])
    return [f"{name} {os.getpid()} {threading.current_thread().name}".encode()]
"""


def gate(folder: Path, name: str) -> Path:
    os.mkfifo(folder / name)
    return folder / name


def begun(path: Path) -> int:
    """Waits until the application stands at the gate; closing the descriptor lets it go on."""
    found: list[int] = []

    def has_reader() -> bool:
        try:
            found.append(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return False
        return True

    wait_until(has_reader, f"a request at {path.name}")
    return found[0]


def test_two_idle_workers_begin_two_requests_of_one_turn(serve: Serve, tmp_path: Path) -> None:
    front = serve(GATED, workers=2)
    workers = [front.start_taking(), front.start_taking()]
    one, two = gate(tmp_path, "one"), gate(tmp_path, "two")
    front.ask(path="/one")
    front.ask(path="/two")
    # Both stand at their gates before either may go on.
    held = [begun(one), begun(two)]
    assert sorted(len(worker.noted()) for worker in workers) == [1, 1]
    for fd in held:
        os.close(fd)
    assert {int(worker.expect(frames.HEAD).body().split()[1]) for worker in workers} == {
        worker.pid for worker in workers
    }
    wait_until(lambda: not any(worker.noted() for worker in workers), "empty notes")


def test_a_second_thread_takes_while_the_first_is_stuck(serve: Serve, tmp_path: Path) -> None:
    front = serve(GATED, threads=3)
    worker = front.start_taking()
    gates = [gate(tmp_path, name) for name in ("one", "two")]
    slow = [front.ask(path="/one"), front.ask(path="/two")]
    held = [begun(path) for path in gates]
    # Each of these has to be taken by the last thread, which may not stick.
    for _ in range(3):
        request = front.ask(path="/quick")
        assert response_to(worker, request)[1].split()[0] == b"quick"
    wait_until(lambda: sorted(worker.noted()) == slow, "the notes of the slow ones alone")
    for fd in held:
        os.close(fd)
    assert {worker.expect(frames.HEAD).request for _ in slow} == set(slow)
    wait_until(lambda: not worker.noted(), "empty notes")
    # And from the start again, with all threads free.
    (tmp_path / "one").unlink()
    again = gate(tmp_path, "one")
    request = front.ask(path="/one")
    fd = begun(again)
    assert response_to(worker, front.ask(path="/quick"))[1].split()[0] == b"quick"
    os.close(fd)
    assert response_to(worker, request)[1].split()[0] == b"one"


def test_threads_are_started_only_when_they_are_needed(serve: Serve, tmp_path: Path) -> None:
    front = serve(GATED, threads=8)
    worker = front.start_taking()
    response_to(worker, front.ask(path="/quick"))
    threads = os.listdir(f"/proc/{worker.pid}/task")
    # The one that takes, one that watches, the channel's.
    assert len(threads) <= 3


def test_a_worker_that_runs_nothing_does_not_wake_up(serve: Serve) -> None:
    front = serve(GATED, threads=4)
    worker = front.start_taking()
    response_to(worker, front.ask(path="/quick"))

    def switches() -> int:
        total = 0
        for task in Path(f"/proc/{worker.pid}/task").iterdir():
            lines = (task / "status").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)
        return total

    def is_still() -> bool:
        before = switches()
        time.sleep(0.1)
        return switches() == before

    wait_until(is_still, "a tenth of a second without a wake-up")


def test_a_killed_worker_leaves_its_ids_in_its_notes(serve: Serve, tmp_path: Path) -> None:
    front = serve(GATED, threads=2)
    worker = front.start_taking()
    gates = [gate(tmp_path, "one"), gate(tmp_path, "two")]
    before = time.monotonic()
    requests = [front.ask(path="/one"), front.ask(path="/two")]
    held = [begun(path) for path in gates]
    front.say(op="signal", worker=1, signal=signal.SIGKILL)
    ended = front.hear("ended")
    assert (ended["code"], ended["signal"]) == (None, 9)
    assert sorted(worker.noted()) == requests
    notes = os.pread(worker.notes, 2 * pages.SLOT_BYTES, 0)
    for at in (0, pages.SLOT_BYTES):
        taken, thread, zero, ident = struct.unpack_from("<dIIQ", notes, at + pages.PAGE_BYTES)
        assert before <= taken <= time.monotonic()
        assert thread != 0
        assert (zero, ident != 0) == (0, True)
    assert struct.unpack_from("<dI", notes, pages.PAGE_BYTES)[1] == worker.pid
    for fd in held:
        os.close(fd)


def test_does_not_begin_what_is_late(serve: Serve) -> None:
    front = serve(GATED)
    worker = front.start_taking()
    late = front.ask(path="/quick", latest=time.monotonic() - 0.001)
    worker.expect(frames.EXPIRED, late)
    in_time = front.ask(path="/quick", latest=time.monotonic() + 60)
    assert worker.expect(frames.HEAD, in_time).is_end
    wait_until(lambda: not worker.noted(), "empty notes")


def test_answers_a_fence_and_goes_on(serve: Serve) -> None:
    front = serve(GATED)
    worker = front.start_taking()
    front.put(encode_page(front.next_id(), pages.FENCE_PAGE))
    worker.expect(frames.FENCE, 1)
    assert response_to(worker, front.ask(path="/quick"))
    wait_until(lambda: not worker.noted(), "empty notes")


def test_answers_pages_in_their_order(serve: Serve) -> None:
    front = serve(GATED)
    worker = front.start_taking()
    requests = [front.ask(path="/quick") for _ in range(100)]
    assert [worker.expect(frames.HEAD).request for _ in requests] == requests


@pytest.mark.parametrize(
    ("page", "text"),
    [
        (bytes(4096), "a page with magic 0x0"),
        (encode_page(1, 96), "flags 0x60"),
        (encode_page(1, 0, b"a", b"b"), "a record of 1 values where 15 belong"),
        (encode_page(1, 0, *record())[:-8] + b"", "4088 bytes instead of a page"),
    ],
)
def test_says_that_a_queue_is_poisoned_and_exits(serve: Serve, page: bytes, text: str) -> None:
    front = serve(GATED)
    worker = front.start_taking()
    os.write(front.queue, page)
    told = worker.expect(frames.POISONED).text()
    assert told.startswith("the queue carried ")
    assert text in told
    assert front.hear("ended")["code"] == 4


def test_stops_taking_finishes_and_exits(serve: Serve, tmp_path: Path) -> None:
    front = serve(GATED, threads=2)
    worker = front.start_taking()
    path = gate(tmp_path, "one")
    request = front.ask(path="/one")
    fd = begun(path)
    worker.send(frames.STOP)
    worker.expect(frames.STOPPED)
    # What comes now is for others.
    front.ask(path="/quick")
    os.close(fd)
    worker.expect(frames.HEAD, request)
    assert front.hear("ended")["code"] == 0
    assert len(os.read(front.queue, 4096)) == 4096
    wait_until(lambda: not worker.noted(), "empty notes")


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_stops_while_nothing_runs(serve: Serve, threads: int) -> None:
    front = serve(GATED, threads=threads)
    worker = front.start_taking()
    response_to(worker, front.ask(path="/quick"))
    worker.send(frames.STOP)
    worker.expect(frames.STOPPED)
    assert front.hear("ended")["code"] == 0


def test_stops_before_it_has_begun_to_take(serve: Serve) -> None:
    front = serve(GATED)
    worker = front.start()
    worker.expect(frames.READY)
    front.ask(path="/quick")
    worker.send(frames.STOP)
    worker.expect(frames.STOPPED)
    assert front.hear("ended")["code"] == 0
    assert len(os.read(front.queue, 4096)) == 4096


def test_takes_nothing_before_it_may(serve: Serve) -> None:
    front = serve(GATED, workers=2)
    first = front.start()
    first.expect(frames.READY)
    second = front.start_taking()
    for _ in range(20):
        response_to(second, front.ask(path="/quick"))
    wait_until(lambda: not first.noted(), "empty notes")
    assert not first.has_frame()


def test_loses_and_doubles_nothing_with_many_threads(serve: Serve) -> None:
    front = serve(
        """
        import time
        def app(environ, start_response):
            # Around the tick, so that threads change places all the time.
            time.sleep(int(environ["QUERY_STRING"]) / 1000)
            start_response("200 OK", [])
            return [environ["HTTP_X_REQUEST_ID"].encode()]
        """,
        threads=4,
        workers=2,
    )
    workers = [front.start_taking(), front.start_taking()]
    sent = {}
    for number in range(200):
        name = f"n-{number}"
        sent[front.ask(query=str(number % 13), request_id=name)] = name
    for worker in workers:
        worker.send(frames.STOP)
    seen = [frame for worker in workers for frame in worker.frames_to_end()]
    assert sum(frame.kind == frames.STOPPED for frame in seen) == 2
    for _ in workers:
        assert front.hear("ended")["code"] == 0
    # They stopped with pages left in the queue; another one takes those.
    third = front.start_taking()
    heads = [frame for frame in seen if frame.kind == frames.HEAD]
    heads += [third.expect(frames.HEAD) for _ in range(len(sent) - len(heads))]
    assert {frame.request: frame.body().decode() for frame in heads} == sent
    assert not third.has_frame()
