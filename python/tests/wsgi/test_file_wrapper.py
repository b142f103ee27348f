"""wsgi.file_wrapper: what frameworks do with the wrapped file, and what it costs."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Serve, write_module
from front import Front, Worker, offered_file, response_to
from typhon_worker.wire import frames
from typhon_worker.wsgi.exchange import FileWrapper

FILE_BYTES = 2 << 30
LARGE = bytes(range(256)) * 2000

APP = """
import gzip, io, os, tempfile

LARGE = bytes(range(256)) * 2000
closed = []

class Told:
    def __init__(self, file):
        self.file = file
    # As Django's File: the method of the file itself.
    read = property(lambda self: self.file.read)
    def close(self):
        closed.append("file")
        self.file.close()

class Secret(io.FileIO):
    def read(self, size=-1):
        return bytes(255 - byte for byte in super().read(size))

def large(*args, **more):
    file = tempfile.TemporaryFile(*args, **more)
    file.write(LARGE)
    file.seek(0)
    return file

def named():
    file = tempfile.NamedTemporaryFile()
    file.write(LARGE)
    file.seek(0)
    return file

def middle():
    file = large()
    file.seek(1000)
    file.read(24)
    return file

def written():
    file = large()
    file.write(b"first")
    file.seek(0)
    return file

def at_end():
    file = large()
    file.seek(0, io.SEEK_END)
    return file

def zipped():
    packed = tempfile.TemporaryFile()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=0) as archive:
        archive.write(LARGE)
    packed.seek(0)
    return gzip.GzipFile(fileobj=packed)

def secret():
    with tempfile.NamedTemporaryFile() as file:
        file.write(bytes(255 - byte for byte in LARGE))
        file.flush()
        return Secret(file.name)

def pipe():
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.write(writing, LARGE[:60_000])
        os._exit(0)
    os.close(writing)
    return open(reading, "rb")

def spooled():
    file = tempfile.SpooledTemporaryFile()
    file.write(LARGE)
    file.seek(0)
    return file

def small():
    file = tempfile.TemporaryFile()
    file.write(b"small")
    file.seek(0)
    return file

FILES = {
    "raw": lambda: large(buffering=0),
    "buffered": large,
    "named": named,
    "told": lambda: Told(large()),
    "middle": middle,
    "written": written,
    "at_end": at_end,
    "zipped": zipped,
    "secret": secret,
    "pipe": pipe,
    "bytes": lambda: io.BytesIO(LARGE),
    "spooled": spooled,
    "small": small,
}

def app(environ, start_response):
    name = environ["PATH_INFO"][1:]
    if name == "closed":
        start_response("200 OK", [])
        text = ",".join(closed)
        closed.clear()
        return [text.encode()]
    if name == "list":
        start_response("200 OK", [("Content-Length", "5"), ("X-Sendfile", "/srv/file")])
        return [environ["QUERY_STRING"].encode()]
    if name == "generator":
        start_response("200 OK", [("Content-Length", "5"), ("X-ACCEL-Redirect", "/files/file")])
        return iter([environ["QUERY_STRING"].encode()])
    fields = [pair.split("=", 1) for pair in environ["QUERY_STRING"].split("&") if pair]
    status = "200 OK"
    if fields and fields[0][0] == "status":
        status = fields.pop(0)[1] + " Status"
    start_response(status, [tuple(field) for field in fields])
    return environ["wsgi.file_wrapper"](FILES[name]())
"""


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    folder = tmp_path_factory.mktemp("files")
    module = write_module(folder, APP)
    with Front(f"{module}:app", str(folder), threads=1) as front:
        yield front.start_taking()


def test_a_range_of_a_large_file_is_read_from_its_place(serve: Serve, tmp_path: Path) -> None:
    front = serve(
        """
        import flask

        app = flask.Flask(__name__)

        @app.get("/read")
        def bytes_read():
            with open("/proc/self/io") as facts:
                return facts.readline().split()[1]

        @app.get("/")
        def file():
            return flask.send_file(flask.request.args["path"], conditional=True)
        """
    )
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate(FILE_BYTES - 4)
        file.seek(0, io.SEEK_END)
        file.write(b"last")
    worker = front.start_taking()
    fields = (("host", "a"), ("range", "bytes=-100"))
    before = int(response_to(worker, front.ask(path="/read"))[1])
    head, body = response_to(worker, front.ask(query=f"path={path}", fields=fields))
    after = int(response_to(worker, front.ask(path="/read"))[1])
    assert head[0].startswith("206")
    assert f"bytes {FILE_BYTES - 100}-{FILE_BYTES - 1}/{FILE_BYTES}" in head
    assert body == bytes(96) + b"last"
    assert after - before < 1 << 20
    # A large range is the front's to send.
    fields = (("host", "a"), ("range", "bytes=-300000"))
    head, body = offered_file(worker, front.ask(query=f"path={path}", fields=fields))
    assert head[0].startswith("206")
    assert body == bytes(299_996) + b"last"


def test_seeks_and_tells_as_the_file_does() -> None:
    wrapper = FileWrapper(io.BytesIO(b"0123456789"), 4)
    assert wrapper.seekable()
    assert wrapper.seek(6) == 6
    assert wrapper.tell() == 6
    assert list(wrapper) == [b"6789"]
    assert wrapper.seek(-2, io.SEEK_END) == 8


def test_a_file_without_seekable_but_with_seek_is_seekable() -> None:
    class Old:
        def read(self, size: int) -> bytes:
            return b""

        def seek(self, offset: int) -> None:
            pass

    assert FileWrapper(Old()).seekable()


def test_a_pipe_and_a_source_without_seek_are_not_seekable() -> None:
    class Source:
        def read(self, size: int) -> bytes:
            return b""

    class Pipe(io.RawIOBase):
        pass

    assert not FileWrapper(Source()).seekable()
    assert not FileWrapper(Pipe()).seekable()
    with pytest.raises(AttributeError):
        FileWrapper(Source()).tell()


def sent_from_worker(worker: Worker, request: int) -> bytes:
    """The body of a response that no file is offered for."""
    frame = worker.expect(frames.HEAD, request)
    body = frame.body()
    while not frame.is_end:
        frame = worker.expect(frames.BODY, request)
        body += frame.body()
    return body


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("raw", LARGE),
        ("buffered", LARGE),
        ("named", LARGE),
        ("told", LARGE),
        ("middle", LARGE[1024:]),
        ("written", b"first" + LARGE[5:]),
    ],
)
def test_a_large_file_is_offered_to_the_front(worker: Worker, name: str, expected: bytes) -> None:
    request = worker.front.ask(path=f"/{name}", query="X-A=b")
    assert offered_file(worker, request) == (["200 OK", "X-A", "b"], expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("zipped", LARGE),
        ("secret", LARGE),
        ("pipe", LARGE[:60_000]),
        ("bytes", LARGE),
        ("spooled", LARGE),
        ("at_end", b""),
        ("small", b"small"),
    ],
)
def test_what_is_no_large_file_is_sent_from_the_worker(
    worker: Worker, name: str, expected: bytes
) -> None:
    request = worker.front.ask(path=f"/{name}")
    assert sent_from_worker(worker, request) == expected


def test_a_declared_length_cuts_the_file(worker: Worker) -> None:
    request = worker.front.ask(path="/middle", query="Content-Length=300000")
    assert offered_file(worker, request)[1] == LARGE[1024:301_024]


def test_a_file_shorter_than_declared_is_a_fault(worker: Worker) -> None:
    request = worker.front.ask(path="/buffered", query=f"Content-Length={len(LARGE) + 1}")
    while (frame := worker.next_frame()).kind != frames.FAULT or frame.request != request:
        assert frame.kind != frames.FILE
    assert "Content-Length says" in frame.text()


def test_a_file_that_the_front_cannot_open_is_sent_from_the_worker(worker: Worker) -> None:
    request = worker.front.ask(path="/middle")
    assert response_to(worker, request) == (["200 OK"], LARGE[1024:])


@pytest.mark.parametrize(
    ("query", "fields", "is_offered"),
    [
        ("Accept-Ranges=bytes", (("range", "bytes=0-1"),), True),
        ("ACCEPT-Ranges=Bytes", (("if-none-match", '"a"'),), True),
        ("Accept-Ranges=bytes", (("accept", "*"),), False),
        ("Accept-Ranges=none", (("range", "bytes=0-1"),), False),
        ("status=206&Accept-Ranges=bytes", (("range", "bytes=0-1"),), False),
    ],
)
def test_a_small_file_is_offered_where_the_application_leaves_ranges_to_the_front(
    worker: Worker, query: str, fields: tuple[tuple[str, str], ...], is_offered: bool
) -> None:
    request = worker.front.ask(path="/small", query=query, fields=fields)
    if is_offered:
        assert offered_file(worker, request)[1] == b"small"
    else:
        assert sent_from_worker(worker, request) == b"small"


def test_the_file_is_closed_when_the_front_has_opened_it(worker: Worker) -> None:
    response_to(worker, worker.front.ask(path="/closed"))
    offered_file(worker, worker.front.ask(path="/told"))
    assert response_to(worker, worker.front.ask(path="/closed"))[1] == b"file"


def test_a_cancel_ends_the_wait_for_the_front(worker: Worker) -> None:
    response_to(worker, worker.front.ask(path="/closed"))
    request = worker.front.ask(path="/told")
    worker.expect(frames.FILE, request)
    worker.send(frames.CANCEL, request, count=frames.CLIENT_GONE)
    assert worker.expect(frames.BODY, request).is_end
    # The front had not heard of the end.
    worker.send(frames.FILE_RESULT, request, count=frames.OPENED)
    assert response_to(worker, worker.front.ask(path="/closed"))[1] == b"file"


def test_a_response_without_a_body_offers_no_file(worker: Worker) -> None:
    request = worker.front.ask(path="/buffered", query="status=304")
    frame = worker.expect(frames.HEAD, request)
    assert frame.is_end
    assert frame.body() == b""


def test_a_response_to_head_offers_the_file_for_its_length(worker: Worker) -> None:
    request = worker.front.ask("HEAD", path="/buffered")
    frame = worker.expect(frames.FILE, request)
    assert frame.file()[2] == len(LARGE)
    worker.send(frames.FILE_RESULT, request, count=frames.OPENED)
    assert worker.expect(frames.BODY, request).is_end


@pytest.mark.parametrize("kind", ["list", "generator"])
def test_the_length_of_a_named_file_is_not_that_of_an_empty_body(worker: Worker, kind: str) -> None:
    head, body = response_to(worker, worker.front.ask(path=f"/{kind}"))
    assert head[:3] == ["200 OK", "Content-Length", "5"]
    assert body == b""
    request = worker.front.ask(path=f"/{kind}", query="one")
    while (frame := worker.next_frame()).kind != frames.FAULT:
        assert frame.request == request
    assert "Content-Length says 5" in frame.text()
