"""The hooks of a gunicorn.conf.py, with bodies as their users write them."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from conftest import Serve
from front import Front, Worker, response_to, stop_worker
from typhon_worker.wire import frames

APP = """
import sys

def app(environ, start_response):
    conf = sys.modules["__config__"]
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]
"""
HOOKS = [
    "on_starting",
    "pre_fork",
    "post_fork",
    "post_worker_init",
    "pre_request",
    "post_request",
    "worker_exit",
    "child_exit",
    "when_ready",
    "on_exit",
]


def conf_of(folder: Path, source: str) -> dict[str, Any]:
    """Writes a gunicorn.conf.py; returns the settings of a front that has it."""
    path = folder / "gunicorn.conf.py"
    path.write_text(textwrap.dedent(source))
    return {"gunicorn_conf": str(path), "gunicorn_hooks": HOOKS}


def logged(worker: Worker) -> list[tuple[int, str]]:
    """LOG frames up to READY: their levels and texts."""
    lines = []
    while (frame := worker.next_frame()).kind == frames.LOG:
        lines.append((frame.count, frame.text()))
    assert frame.kind == frames.READY, frame
    return lines


def test_hooks_of_a_worker_run_in_its_order_and_log_as_gunicorn_does(
    serve: Serve, tmp_path: Path
) -> None:
    settings = conf_of(
        tmp_path,
        """
        import os
        workers = 3
        bind = "0.0.0.0:8000"
        loaded = "site_under_test"

        def pre_fork(server, worker):
            server.log.debug("pre_fork %s", worker.age)

        def post_fork(server, worker):
            import sys
            assert loaded not in sys.modules
            assert worker.pid == os.getpid() and server.pid == os.getppid() == worker.ppid
            server.log.info("Worker spawned (pid: %s)", worker.pid == os.getpid())
            server.log.info(f"{server.cfg.workers} {worker.cfg.bind} {server.app.cfg.threads}")

        def post_worker_init(worker):
            import sys
            assert loaded in sys.modules
            worker.log.warning("ready %s %s", worker.alive, worker.booted)
            try:
                1 / 0
            except ZeroDivisionError:
                worker.log.exception("oh")

        def worker_exit(server, worker):
            server.log.error("exit of %s", worker.age)
        """,
    )
    front = serve(APP, **settings)
    worker = front.start()
    lines = logged(worker)
    assert lines[:4] == [
        (0, "pre_fork 1"),
        (1, "Worker spawned (pid: True)"),
        (1, "3 0.0.0.0:8000 1"),
        (2, "ready True True"),
    ]
    assert lines[4][0] == 3
    assert lines[4][1].startswith("oh\nTraceback")
    worker.send(frames.TAKE)
    assert stop_worker(worker) == ["exit of 1"]
    assert front.hear("ended")["code"] == 0
    assert worker.read_err() == ""


def test_requests_run_between_their_hooks(serve: Serve, tmp_path: Path) -> None:
    settings = conf_of(
        tmp_path,
        """
        import time

        def pre_request(worker, req):
            worker.begun = time.time()
            worker.log.debug("%s %s", req.method, req.path)
            req.headers.append(("x-busy", "1"))
            req.scheme = "https"

        def post_request(worker, req, environ, resp):
            took = time.time() - worker.begun
            assert 0 <= took < 60
            worker.log.info("%s %s %s %s %s %s", req.uri, resp.status, resp.status_code,
                            environ["PATH_INFO"], dict(resp.headers).get("X-Kind"), worker.nr)
        """,
    )
    front = serve(
        """
        import os, tempfile

        def lines():
            yield b"a generator"

        class Closing:
            # As the objects of some tracers do.
            def __iter__(self):
                yield b"an object"
                self.close()
            def close(self):
                print("closed")

        def app(environ, start_response):
            path = environ["PATH_INFO"]
            if path == "/fail":
                raise ValueError("no")
            start_response("201 Made", [("X-Kind", path[1:])])
            if path == "/list":
                return [(environ["HTTP_X_BUSY"] + environ["wsgi.url_scheme"]).encode()]
            if path == "/generator":
                return lines()
            if path == "/file":
                file = tempfile.TemporaryFile()
                file.write(b"a file")
                file.seek(0)
                return environ["wsgi.file_wrapper"](file)
            return Closing()
        """,
        **settings,
    )
    worker = front.start_taking()

    def ask(path: str, **more: str) -> tuple[bytes, list[str]]:
        request = front.ask(path=path, **more)
        lines: list[str] = []
        body = b""
        has_ended = False
        while not has_ended or len(lines) < 2:
            frame = worker.next_frame()
            if frame.kind == frames.LOG:
                lines.append(frame.text())
            elif frame.kind == frames.FILE:
                worker.send(frames.FILE_RESULT, request, count=frames.NOT_OPENED)
            elif frame.kind == frames.FAULT:
                has_ended = True
            else:
                body += frame.body()
                has_ended = frame.is_end
        return body, lines

    assert ask("/list", query="a=b") == (
        b"1https",
        ["GET /list", "/list?a=b 201 Made 201 /list list 1"],
    )
    assert ask("/generator")[1][-1] == "/generator 201 Made 201 /generator generator 2"
    assert ask("/file")[1][-1] == "/file 201 Made 201 /file file 3"
    assert ask("/object") == (
        b"an object",
        ["GET /object", "/object 201 Made 201 /object object 4"],
    )
    assert worker.read_out() == "closed\nclosed\n"
    assert ask("/fail")[1][-1] == "/fail 500 Internal Server Error 500 /fail None 5"


def test_a_failed_post_request_is_a_line_and_the_response_stays(
    serve: Serve, tmp_path: Path
) -> None:
    settings = conf_of(
        tmp_path,
        """
        def post_request(worker, req, environ, resp):
            raise ValueError("hook")
        """,
    )
    front = serve(APP, **settings)
    worker = front.start_taking()
    request = front.ask()
    line = worker.expect(frames.LOG)
    assert line.text().startswith("Exception in post_request hook\nTraceback")
    assert line.text().endswith("ValueError: hook")
    assert response_to(worker, request)[1] == b"hello"


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("def post_fork(server, worker):\n    worker.tmp.notify()", "gunicorn's worker.tmp does"),
        (
            "def post_fork(server, worker):\n    server.cfg.statsd_host",
            "gunicorn's cfg.statsd_host does not exist under Typhon; cfg has chdir, def",
        ),
        ("def post_worker_init(worker):\n    worker.alive = False", "--max-requests, --max-rss"),
        ("def post_fork(server, worker):\n    server.log.shout('a')", "gunicorn's log.shout does"),
        ("import nowhere_to_be_found", "gunicorn.conf.py failed\nTraceback"),
        ("x = = 1", "SyntaxError"),
        ("def post_fork(server, worker):\n    raise SystemExit(3)", "post_fork of"),
    ],
)
def test_a_failed_hook_is_a_failed_load(
    serve: Serve, tmp_path: Path, source: str, sentence: str
) -> None:
    front = serve(APP, **conf_of(tmp_path, source))
    failure = front.start().expect(frames.FAILED).json()
    assert failure["kind"] == "hook"
    assert sentence in failure["text"]
    assert front.hear("ended")["code"] == 3


def test_hooks_of_requests_are_told_about_under_asgi(serve: Serve, tmp_path: Path) -> None:
    settings = conf_of(tmp_path, "def pre_request(worker, req): ...\n")
    front = serve("async def app(scope, receive, send): ...\n", lifespan="off", **settings)
    ready = front.start().expect(frames.READY).json()
    assert "pre_request of" in ready["doubt"]
    assert "WSGI requests only" in ready["doubt"]


def test_hooks_of_the_main_process_run_in_a_process_of_their_own(
    serve: Serve, tmp_path: Path
) -> None:
    settings = conf_of(
        tmp_path,
        """
        import os

        def on_starting(server):
            server.log.info("starting %s", server.cfg.workers)
            os.makedirs(os.environ["METRICS"], exist_ok=True)

        def child_exit(server, worker):
            server.log.info("Worker exited (pid: %s) %s", worker.pid, worker.age)

        def when_ready(server):
            print("ready", server.pid == os.getppid())

        def on_exit(server):
            server.log.debug("not shown")
            server.address
        """,
    )
    front = serve(APP, env={"METRICS": str(tmp_path / "metrics")}, **settings)

    def call(hook: str, worker: int = 0, pid: int = 0) -> tuple[int, str]:
        front.say(op="hook", hook=1, functions=[hook], worker=worker, pid=pid)
        ended = front.hear("hook-ended")
        return ended["code"], ended["text"]

    assert call("on_starting") == (0, "starting 1\n")
    assert (tmp_path / "metrics").is_dir()
    assert call("child_exit", 4, 4711) == (0, "Worker exited (pid: 4711) 4\n")
    assert call("when_ready") == (0, "ready True\n")
    code, text = call("on_exit")
    assert code == 1
    assert text.startswith(f"on_exit of {tmp_path}/gunicorn.conf.py failed\nTraceback")
    assert "gunicorn's server.address does not exist under Typhon; server has app, cfg" in text
    assert "not shown" not in text


def test_settings_for_logging_in_the_file_hold(serve: Serve, tmp_path: Path) -> None:
    settings = conf_of(
        tmp_path,
        """
        logconfig_dict = {
            "formatters": {"f": {"format": "conf %(name)s %(message)s"}},
            "handlers": {"h": {"class": "logging.StreamHandler", "formatter": "f"}},
            "loggers": {"gunicorn.error": {"handlers": ["h"], "level": "INFO"}},
        }

        def post_fork(server, worker):
            server.log.info("hello")
        """,
    )
    front = serve(APP, **settings)
    worker = front.start_taking()
    assert worker.read_err() == "conf gunicorn.error hello\n"


def test_a_conf_file_imports_from_the_folder_of_the_application(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "tracing.py").write_text("def set_up():\n    print('traced')\n")
    (tmp_path / "app" / "main.py").write_text(textwrap.dedent(APP))
    source = """
    from tracing import set_up

    def post_fork(server, worker):
        set_up()
    """
    with Front("main:app", str(tmp_path / "app"), **conf_of(tmp_path, source)) as front:
        worker = front.start_taking()
        assert worker.read_out() == "traced\n"


def test_what_the_file_changes_holds_in_the_worker(serve: Serve, tmp_path: Path) -> None:
    settings = conf_of(
        tmp_path,
        """
        import sys
        from gevent import monkey
        monkey.patch_all()
        sys.path.insert(0, "/from/the/conf")
        """,
    )
    front = serve(
        """
        import sys
        from gevent import monkey

        def app(environ, start_response):
            start_response("200 OK", [])
            found = monkey.is_module_patched("socket"), "/from/the/conf" in sys.path
            return [repr(found).encode()]
        """,
        **settings,
    )
    worker = front.start_taking()
    assert response_to(worker, front.ask())[1] == b"(True, True)"
