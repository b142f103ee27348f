"""wsgi.file_wrapper: what frameworks do with the wrapped file, and what it costs."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from conftest import Serve
from front import response_to
from typhon_worker.wsgi.exchange import FileWrapper

FILE_BYTES = 2 << 30


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
