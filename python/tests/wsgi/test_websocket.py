"""The socket that a WSGI application gets for a WebSocket handshake, in a real worker."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Serve
from front import DEADLINE, Front, Worker, response_to, wait_until
from typhon_worker.wire import frames, pages

# Applications by path. `step` waits until the test has made a file, and tells by one of its own.
APPS = """
import os, socket, threading, time
from pathlib import Path

FOLDER = Path(__file__).parent

def step(name):
    while not (FOLDER / name).exists():
        time.sleep(0.002)

def names(environ, start_response):
    start_response("200 OK", [])
    found = sorted(key for key in environ if key.endswith(".socket"))
    return [",".join(found).encode()]

def same(environ, start_response):
    client = environ["werkzeug.socket"]
    client.send(repr((
        client is environ["gunicorn.socket"], isinstance(client, socket.socket),
        client.gettimeout(), client.getblocking(), os.get_inheritable(client.fileno()),
    )).encode())
    start_response("200 OK", [])
    return [b"ignored by the front"]

def echo(environ, start_response):
    client = environ["werkzeug.socket"]
    while data := client.recv(65536):
        client.send(data)
    client.sendall(b"end")
    client.close()
    start_response("200 OK", [])
    return []

def closes(environ, start_response):
    environ["werkzeug.socket"].sendall(b"closed")
    environ["werkzeug.socket"].close()
    step("go")
    return []

def leaves(environ, start_response):
    client = environ["werkzeug.socket"]
    client.sendall(b"left")
    threading.Thread(target=keep, args=(client,)).start()
    return []

def keep(client):
    (FOLDER / "kept").write_bytes(client.recv(100) + b"|" + client.recv(100))
    client.close()

def stops(environ, start_response):
    environ["werkzeug.socket"].sendall(b"x")
    raise StopIteration

def breaks(environ, start_response):
    client = environ["werkzeug.socket"]
    while True:
        client.send(b"x" * 100_000)

def raises(environ, start_response):
    environ["werkzeug.socket"].sendall(b"x")
    raise ValueError("behind the handshake")

def unused_stop(environ, start_response):
    raise StopIteration

def streams(environ, start_response):
    write = start_response("200 OK", [])
    write(b"one ")
    return [b"two"]

def together(environ, start_response):
    client = environ["werkzeug.socket"]
    def send(letter):
        for _ in range(20):
            assert client.send(letter * 300_000) == 300_000
    threads = [threading.Thread(target=send, args=(letter,)) for letter in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.setblocking(False)
    sent = 0
    try:
        while True:
            sent += client.send(b"d" * 300_000)
    except BlockingIOError:
        (FOLDER / "sent").write_text(str(sent))
    step("read")
    return []

def gone(environ, start_response):
    while not environ["typhon.client_gone"]():
        time.sleep(0.002)
    start_response("200 OK", [])
    return [b"gone"]

def sleeps(environ, start_response):
    while True:
        time.sleep(0.002)

def forks(environ, start_response):
    client = environ["werkzeug.socket"]
    child = os.fork()
    if child == 0:
        client.close()
        os._exit(0)
    os.waitpid(child, 0)
    client.sendall(b"still open")
    client.recv(1)
    return []

def app(environ, start_response):
    return globals()[environ["PATH_INFO"][1:]](environ, start_response)
"""
DEFAULT_TIMEOUT = "import socket\nsocket.setdefaulttimeout(0.01)\n"


class Session:
    """A front with one worker, and a handshake of the test's."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self.worker = front.start_taking()
        self._clients: list[socket.socket] = []

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            client.close()

    def ask(self, path: str) -> int:
        return self.front.ask(path=path, flags=pages.WEBSOCKET_SOCKET)

    def expect_path(self, request: int) -> Path:
        """The path at which the worker listens for this request."""
        offer = self.worker.expect(frames.WS_SOCKET, request).payload
        assert abs(struct.unpack_from("<d", offer)[0] - time.monotonic()) < DEADLINE
        return Path(os.fsdecode(offer[8:]))

    def open(self, path: str) -> tuple[int, socket.socket]:
        """Asks, and connects as a front does."""
        request = self.ask(path)
        socket_path = self.expect_path(request)
        client = socket.socket(socket.AF_UNIX)
        self._clients.append(client)
        client.settimeout(DEADLINE)
        client.connect(str(socket_path))
        return request, client

    def close(self, request: int, client: socket.socket) -> None:
        client.close()
        self.worker.send(frames.WS_SOCKET_DONE, request)

    def count_sockets(self) -> int:
        folder = Path(f"/proc/{self.worker.pid}/fd")
        targets = [os.readlink(fd) for fd in folder.iterdir() if fd.is_symlink()]
        return sum(target.startswith("socket:") for target in targets)


@pytest.fixture
def session(serve: Serve) -> Iterator[Session]:
    with Session(serve(APPS, threads=2)) as session:
        yield session


def read_all(client: socket.socket) -> bytes:
    parts = []
    while part := client.recv(1 << 20):
        parts.append(part)
    return b"".join(parts)


def no_text(worker: Worker, request: int) -> None:
    """The last frame of a request that has used its socket and has nothing to tell."""
    assert worker.expect(frames.FAULT, request).payload == b""


def test_an_ordinary_request_has_no_socket(session: Session) -> None:
    request = session.front.ask(path="/names")
    assert response_to(session.worker, request) == (["200 OK"], b"")


def test_an_unused_socket_is_shut_before_the_ordinary_response(session: Session) -> None:
    for path, body in (("/names", b"gunicorn.socket,werkzeug.socket"), ("/streams", b"one two")):
        request, client = session.open(path)
        assert response_to(session.worker, request) == (["200 OK"], body)
        client.setblocking(False)
        assert client.recv(1) == b"", "its end was there before the answer"
        session.close(request, client)
    assert not session.worker.noted()


def test_both_names_are_one_blocking_socket(session: Session) -> None:
    request, client = session.open("/same")
    assert read_all(client) == b"(True, True, None, True, False)"
    no_text(session.worker, request)


def test_a_default_timeout_of_the_application_is_not_the_sockets(serve: Serve) -> None:
    with Session(serve(DEFAULT_TIMEOUT + APPS)) as session:
        request, client = session.open("/same")
        assert b"None, True" in read_all(client)
        no_text(session.worker, request)


def test_bytes_go_both_ways_and_so_do_ends(session: Session) -> None:
    request, client = session.open("/echo")
    client.sendall(b"hello")
    assert client.recv(5) == b"hello"
    client.shutdown(socket.SHUT_WR)
    assert read_all(client) == b"end"
    no_text(session.worker, request)


def test_a_close_of_the_application_is_seen_while_its_request_runs(
    session: Session, tmp_path: Path
) -> None:
    request, client = session.open("/closes")
    assert read_all(client) == b"closed"
    # What is still sent to it is no error: all that it wrote can be read first.
    client.sendall(b"late")
    assert session.worker.noted() == [request]
    (tmp_path / "go").touch()
    no_text(session.worker, request)


def test_a_thread_of_the_application_reads_on_until_the_front_has_closed(
    session: Session, tmp_path: Path
) -> None:
    request, client = session.open("/leaves")
    assert read_all(client) == b"left"
    no_text(session.worker, request)
    client.sendall(b"the answer")
    session.close(request, client)
    wait_until((tmp_path / "kept").exists, "the thread")
    wait_until(lambda: (tmp_path / "kept").read_bytes() == b"the answer|", "what it has read")


def test_nothing_is_left_open(session: Session) -> None:
    before = session.count_sockets()
    for path in ("/names", "/echo", "/stops") * 5:
        request, client = session.open(path)
        client.shutdown(socket.SHUT_WR)
        read_all(client)
        session.close(request, client)
        session.worker.next_frame()
    wait_until(lambda: session.count_sockets() == before, "all sockets to be closed")
    assert os.listdir(session.front.folder) == []


@pytest.mark.parametrize("path", ["/stops", "/breaks"])
def test_how_libraries_end_is_no_fault(session: Session, path: str) -> None:
    request, client = session.open(path)
    client.recv(1)
    session.close(request, client)
    no_text(session.worker, request)


def test_another_exception_is_told(session: Session) -> None:
    request, client = session.open("/raises")
    assert read_all(client) == b"x"
    assert "behind the handshake" in session.worker.expect(frames.FAULT, request).text()


def test_without_a_use_of_the_socket_an_exception_is_a_fault(session: Session) -> None:
    request, client = session.open("/unused_stop")
    assert read_all(client) == b""
    assert "StopIteration" in session.worker.expect(frames.FAULT, request).text()


def test_sends_of_several_threads_are_whole_and_one_after_the_other(
    session: Session, tmp_path: Path
) -> None:
    request, client = session.open("/together")
    client.settimeout(DEADLINE)
    received = bytearray()
    while len(received) < 60 * 300_000:
        received += client.recv(60 * 300_000 - len(received))
    pieces = [bytes(received[at : at + 300_000]) for at in range(0, len(received), 300_000)]
    assert all(piece == piece[:1] * 300_000 for piece in pieces)
    # A socket that does not wait sends what there is room for, as any other.
    wait_until((tmp_path / "sent").exists, "the kernel's buffer to be full")
    (tmp_path / "read").touch()
    assert read_all(client) == b"d" * int((tmp_path / "sent").read_text())
    no_text(session.worker, request)


def test_the_application_can_ask_whether_the_client_has_gone(session: Session) -> None:
    request, client = session.open("/gone")
    assert not session.worker.has_frame()
    session.close(request, client)
    assert response_to(session.worker, request) == (["200 OK"], b"gone")


def test_a_front_that_closes_before_the_worker_has_accepted(session: Session) -> None:
    request = session.ask("/gone")
    path = session.expect_path(request)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    session.worker.send(frames.WS_SOCKET_DONE, request)
    assert response_to(session.worker, request) == (["200 OK"], b"gone")


def test_a_close_in_a_child_is_not_the_workers(session: Session) -> None:
    request, client = session.open("/forks")
    assert client.recv(100) == b"still open"
    session.close(request, client)
    no_text(session.worker, request)


def test_without_a_folder_for_it_there_is_no_socket_and_the_log_says_so(session: Session) -> None:
    moved = session.front.folder.with_suffix(".away")
    session.front.folder.rename(moved)
    try:
        request = session.ask("/names")
        logged = session.worker.expect(frames.LOG, request)
        assert "no socket could be opened for a WebSocket" in logged.text()
        assert response_to(session.worker, request) == (["200 OK"], b"")
    finally:
        moved.rename(session.front.folder)


def test_a_dead_worker_leaves_nothing_behind(session: Session) -> None:
    request = session.ask("/names")
    path = session.expect_path(request)
    assert path.exists()
    os.kill(session.worker.pid, 9)
    session.front.hear("ended")
    assert not path.parent.exists()


def test_a_deadline_interrupts_an_application_that_has_not_answered(session: Session) -> None:
    request, client = session.open("/sleeps")
    session.worker.send(frames.CANCEL, request, count=frames.DEADLINE)
    frame = session.worker.expect(frames.BODY, request)
    assert frame.is_end
    assert frame.payload == b""
    assert read_all(client) == b""
    session.close(request, client)
