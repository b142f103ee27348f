"""An ASGI worker as a process: signals, children, interfaces that were guessed wrongly, its end."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from conftest import Serve, write_module
from front import Front, response_to
from typhon_worker.wire import frames

RESPOND = """
import asyncio, os, sys

async def respond(send, text):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": str(text).encode()})
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_leaves_signals_to_the_front(serve: Serve, loop: str, number: signal.Signals) -> None:
    front = serve(
        RESPOND + "async def app(scope, receive, send): await respond(send, 'served')",
        interface="asgi",
        lifespan="off",
        loop=loop,
    )
    worker = front.start_taking(interface="asgi")
    for _ in range(3):
        os.kill(worker.pid, number)
        assert response_to(worker, front.ask())[1] == b"served"
    worker.send(frames.STOP)
    worker.expect(frames.STOPPED)
    assert front.hear("ended")["code"] == 0
    assert worker.read_err() == ""


def test_runs_programs_and_threads_for_the_application(serve: Serve, loop: str) -> None:
    front = serve(
        RESPOND
        + """
async def app(scope, receive, send):
    child = await asyncio.create_subprocess_exec(
        "sh", "-c", "echo told; exit 3", stdout=asyncio.subprocess.PIPE
    )
    told = (await child.communicate())[0].decode().strip()
    name = await asyncio.to_thread(os.getpid)
    await respond(send, f"{told} {child.returncode} {name == os.getpid()}")
""",
        interface="asgi",
        lifespan="off",
        loop=loop,
    )
    worker = front.start_taking(interface="asgi")
    for _ in range(2):
        assert response_to(worker, front.ask())[1] == b"told 3 True"
    worker.send(frames.STOP)
    worker.expect(frames.STOPPED)
    assert front.hear("ended")["code"] == 0
    assert worker.read_err() == ""


def test_a_child_of_the_application_holds_nothing_of_the_server(serve: Serve, loop: str) -> None:
    front = serve(
        """
        import multiprocessing, os

        def look(pipe):
            names = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
                     if os.path.exists(f"/proc/self/fd/{fd}")]
            pipe.send(", ".join(names))

        async def app(scope, receive, send):
            context = multiprocessing.get_context("fork")
            near, far = context.Pipe()
            child = context.Process(target=look, args=(far,))
            child.start()
            told = near.recv()
            child.join()
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": told.encode()})
        """,
        interface="asgi",
        lifespan="off",
        loop=loop,
    )
    worker = front.start_taking(interface="asgi")
    for _ in range(2):
        names = response_to(worker, front.ask())[1].decode().split(", ")
        ours = [name for name in names if "typhon" in name]
        assert {name.removesuffix(" (deleted)").rpartition("/")[2] for name in ours} == {
            "out",
            "err",
        }
        # The loop's own pair and the pipe of the test.
        assert sum(name.startswith("socket:") for name in names) == 4
    assert worker.read_err() == ""


def failure(folder: Path, source: str, **settings: str) -> str:
    write_module(folder, source, "main")
    with Front("main:app", str(folder), **settings) as front:
        worker = front.start()
        failed = worker.expect(frames.FAILED).json()
        assert front.hear("ended")["code"] == 3
        return f"{failed['kind']}: {failed['text']}"


@pytest.mark.parametrize(
    "source",
    [
        "def app(environ, start_response): ...",
        "class Site:\n    def __call__(self, environ, start_response): ...\napp = Site()",
    ],
)
def test_refuses_to_serve_as_asgi_what_is_certainly_none(tmp_path: Path, source: str) -> None:
    assert failure(tmp_path, source, interface="asgi") == (
        "interface: 'main:app' cannot be an ASGI application: it does not take "
        "(scope, receive, send) (--interface wsgi serves it as WSGI)"
    )


def test_names_the_option_to_who_is_no_wsgi_application(tmp_path: Path) -> None:
    told = failure(tmp_path, "def app(a, b, c): ...")
    assert told == (
        "callable: 'main:app' cannot be a WSGI application: it does not take "
        "(environ, start_response); --interface asgi serves it as ASGI"
    )


HIDES = """
def hides(hidden):
    return lambda *call: hidden(*call)
"""


@pytest.mark.parametrize(
    ("source", "interface", "text"),
    [
        (
            "@hides\nasync def app(*call): ...",
            "wsgi",
            "such as [body] (an ASGI application is served with --interface asgi)",
        ),
        (
            "@hides\ndef app(*call): return []",
            "asgi",
            "\n(a WSGI application is served with --interface wsgi)",
        ),
    ],
)
def test_a_wrong_guess_is_told_with_the_way_out(
    serve: Serve, source: str, interface: str, text: str
) -> None:
    wanted = "auto" if interface == "wsgi" else "asgi"
    front = serve(HIDES + source, interface=wanted, lifespan="off")
    worker = front.start()
    told = worker.expect(frames.READY).json()
    assert told["interface"] == interface
    assert ("doubt" in told) == (wanted == "auto")
    worker.send(frames.TAKE)
    assert worker.expect(frames.FAULT, front.ask()).text().endswith(text)
    assert worker.read_err() == ""


def test_a_task_that_ends_the_program_at_the_end_is_a_line_in_the_log(
    serve: Serve, loop: str
) -> None:
    front = serve(
        RESPOND
        + """
async def waits():
    try:
        await asyncio.sleep(3600)
    finally:
        sys.exit("on purpose")

async def app(scope, receive, send):
    app.task = asyncio.create_task(waits())
    await asyncio.sleep(0)
    await respond(send, "served")
""",
        interface="asgi",
        lifespan="off",
        loop=loop,
    )
    worker = front.start_taking(interface="asgi")
    assert response_to(worker, front.ask())[1] == b"served"
    worker.send(frames.STOP)
    worker.expect(frames.STOPPED)
    log = worker.expect(frames.LOG, 0)
    assert "SystemExit: on purpose" in log.text()
    assert front.hear("ended")["code"] == 0
