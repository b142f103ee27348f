"""Which loop an ASGI application runs in, and that WSGI knows of none."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import Serve, write_module
from front import Front, response_to
from typhon_worker.wire import frames

APP = """
import asyncio

async def respond(send, text):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": str(text).encode()})

async def app(scope, receive, send):
    loop = asyncio.get_running_loop()
    await respond(send, f"{type(loop).__module__} {asyncio.get_event_loop() is loop}")
"""
# What uvloop does, as far as it is asked here.
UVLOOP = """
import asyncio

class Loop(asyncio.SelectorEventLoop):
    pass

def new_event_loop():
    return Loop()
"""


def body_of(front: Front) -> str:
    worker = front.start_taking(interface="asgi")
    body = response_to(worker, front.ask())[1].decode()
    assert worker.read_err() == ""
    return body


@pytest.mark.parametrize("wanted", ["auto", "asyncio"])
def test_runs_in_the_library_s_loop(serve: Serve, tmp_path: Path, wanted: str) -> None:
    write_module(tmp_path, "raise ImportError" if wanted == "auto" else UVLOOP, "uvloop")
    assert body_of(serve(APP, loop=wanted, lifespan="off")) == "asyncio.unix_events True"


@pytest.mark.parametrize("wanted", ["auto", "uvloop"])
def test_runs_in_uvloop_where_there_is_one(serve: Serve, tmp_path: Path, wanted: str) -> None:
    write_module(tmp_path, UVLOOP, "uvloop")
    assert body_of(serve(APP, loop=wanted, lifespan="off")) == "uvloop True"


def test_names_the_interpreter_that_has_no_uvloop(serve: Serve, tmp_path: Path) -> None:
    write_module(tmp_path, "import something_missing", "uvloop")
    front = serve(APP, loop="uvloop")
    failed = front.start().expect(frames.FAILED).json()
    assert failed["kind"] == "import"
    assert failed["text"].startswith("--loop uvloop: the interpreter ")
    assert failed["text"].endswith(" cannot import it: No module named 'something_missing'")
    assert front.hear("ended")["code"] == 3


def test_keeps_the_loop_that_the_application_has_made(serve: Serve, tmp_path: Path) -> None:
    write_module(tmp_path, UVLOOP, "uvloop")
    front = serve(
        APP.replace("await respond(send, f", "await respond(send, loop is mine) #")
        + "\nmine = asyncio.new_event_loop()\nasyncio.set_event_loop(mine)\n",
        lifespan="off",
    )
    assert body_of(front) == "True"


def test_makes_a_loop_where_the_application_has_closed_its_own(serve: Serve) -> None:
    front = serve(
        APP + "\nasync def main(): pass\nasyncio.run(main())\n"
        "loop = asyncio.new_event_loop()\nasyncio.set_event_loop(loop)\nloop.close()\n",
        lifespan="off",
    )
    assert body_of(front).endswith(" True")


def test_heeds_the_application_s_own_way_to_make_tasks(serve: Serve) -> None:
    front = serve(
        """
        import asyncio

        class Own(asyncio.Task):
            pass

        async def app(scope, receive, send):
            if scope["type"] == "lifespan":
                await receive()
                make = lambda loop, work, **more: Own(work, loop=loop, **more)
                asyncio.get_running_loop().set_task_factory(make)
                await send({"type": "lifespan.startup.complete"})
                return await receive()
            kind = type(asyncio.current_task()).__name__
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": kind.encode()})
        """
    )
    assert body_of(front) == "Own"


def test_a_callback_that_ends_the_program_ends_no_request(serve: Serve) -> None:
    front = serve(
        """
        import asyncio, sys

        async def app(scope, receive, send):
            asyncio.get_running_loop().call_soon(sys.exit, "on purpose")
            await asyncio.sleep(0.01)
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"went on"})
        """,
        interface="asgi",
        lifespan="off",
    )
    worker = front.start_taking(interface="asgi")
    request = front.ask()
    log = worker.expect(frames.LOG, 0)
    assert log.count == 3
    assert "SystemExit: on purpose" in log.text()
    assert worker.expect(frames.HEAD, request).body() == b"went on"


def test_a_worker_of_wsgi_does_not_import_asyncio(serve: Serve) -> None:
    front = serve(
        """
        import sys
        def app(environ, start_response):
            start_response("200 OK", [])
            names = [name for name in sys.modules if "asgi" in name or "asyncio" in name]
            return [" ".join(names).encode()]
        """
    )
    worker = front.start_taking()
    assert response_to(worker, front.ask())[1] == b""


@pytest.mark.parametrize("interface", ["auto", "asgi"])
def test_imports_what_it_needs_past_the_application_s_modules(
    serve: Serve, tmp_path: Path, interface: str
) -> None:
    for name in ("asyncio", "selectors", "http", "scope", "websocket"):
        write_module(tmp_path, "raise RuntimeError('not this one')", name)
    front = serve(
        """
        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"served"})
        """,
        interface=interface,
        lifespan="off",
    )
    assert body_of(front) == "served"
