"""Which applications need a single process: what is served counts, not what is imported."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from conftest import write_module
from front import Front
from typhon_worker.application.parts import MAX_PARTS, parts_of
from typhon_worker.application.single_process import PACKAGES, find_reason
from typhon_worker.wire import frames

APP_DIR = "/srv/app"


class App:
    """As the packages have one; `make` gives it their module."""

    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`make("gradio.routes:App", …)` → an instance of a class of that package."""

    def make_one(name: str, **attributes: Any) -> Any:
        module, _, kind = name.partition(":")
        package = ModuleType(module.partition(".")[0])
        package.__file__ = f"/venv/site-packages/{package.__name__}/__init__.py"
        monkeypatch.setitem(sys.modules, package.__name__, package)
        return type(kind, (App,), {"__module__": module})(**attributes)

    return make_one


def mounted(inner: Any) -> list[Any]:
    """The ways in which an application contains another."""
    api = FastAPI()
    api.mount("/inner", inner)
    flask = Flask("shop")
    flask.wsgi_app = inner
    endpoint = Starlette(routes=[Mount("/a", routes=[Route("/b", inner)])])

    def outer(application: Any) -> Any:
        @functools.wraps(api)
        async def middleware(*call: Any) -> None:
            await application(*call)

        return middleware

    class Slotted:
        __slots__ = ("app",)

        def __init__(self, app: Any) -> None:
            self.app = app

    return [
        inner,
        api,
        flask,
        endpoint,
        outer(inner),
        Slotted(api),
        functools.partial(inner),
        Slotted(flask).app.wsgi_app,
        SimpleNamespace(mounts={"/x": inner}),
    ]


def test_finds_it_wherever_it_is_mounted(make: Callable[..., Any]) -> None:
    for app in mounted(make("gradio.routes:App")):
        assert find_reason(app, APP_DIR) == f"gradio: {PACKAGES['gradio'][0]}"


def test_finds_a_subclass_of_the_application(make: Callable[..., Any]) -> None:
    kind = type(make("nicegui.nicegui:App"))
    assert find_reason(type("Mine", (kind,), {"__module__": "main"})(), APP_DIR)


def test_a_program_that_only_uses_the_package_does_not_count(make: Callable[..., Any]) -> None:
    client = make("socketio.client:Client")

    async def endpoint(request: Any) -> None:
        client.emit(request)

    api = FastAPI(routes=[Route("/", endpoint)])
    api.state.client = client
    assert find_reason(api, APP_DIR) == ""


def test_a_module_of_the_application_that_is_named_so_does_not_count(
    make: Callable[..., Any],
) -> None:
    app = make("shiny:App")
    for folder, counts in (("/venv", False), ("/venv/", False), ("/", False), (APP_DIR, True)):
        sys.modules["shiny"].__file__ = "/venv/shiny.py"
        assert bool(find_reason(app, folder)) == counts
    sys.modules["shiny"].__file__ = "/venv/lib/site-packages/shiny/__init__.py"
    assert find_reason(app, "/venv")


def socket_io(transports: list[str], manager: str) -> Any:
    kind = type("Manager", (), {"__module__": manager})
    return SimpleNamespace(eio=SimpleNamespace(transports=transports), manager=kind())


@pytest.mark.parametrize(
    ("name", "attributes", "counts"),
    [
        (
            "socketio.asgi:ASGIApp",
            {"engineio_server": socket_io(["polling", "websocket"], "socketio.pubsub_manager")},
            True,
        ),
        (
            "socketio.middleware:WSGIApp",
            {"engineio_app": socket_io(["websocket"], "socketio.pubsub_manager")},
            False,
        ),
        (
            "socketio.asgi:ASGIApp",
            {"engineio_server": socket_io(["websocket"], "socketio.manager")},
            True,
        ),
        ("mcp.server.x:HTTP", {"session_manager": SimpleNamespace(stateless=False)}, True),
        ("mcp.server.x:HTTP", {"session_manager": SimpleNamespace(stateless=True)}, False),
        # An attribute that another version does not have.
        ("mcp.server.x:HTTP", {"session_manager": SimpleNamespace()}, True),
        ("mcp.server.sse:SseServerTransport", {}, True),
        ("mcp.server.auth:Handler", {}, False),
        ("datasette.app:DatasetteRouter", {"ds": SimpleNamespace(_secret="0a" * 32)}, True),
        ("datasette.app:DatasetteRouter", {"ds": SimpleNamespace(_secret="ours")}, False),
    ],
)
def test_looks_at_the_settings_of_a_package(
    make: Callable[..., Any], name: str, attributes: dict[str, Any], counts: bool
) -> None:
    assert bool(find_reason(make(name, **attributes), APP_DIR)) == counts


def test_a_storage_of_zodb_counts_and_one_for_many_processes_does_not(
    make: Callable[..., Any],
) -> None:
    for storage, counts in (("ZODB.FileStorage:FileStorage", True), ("ZEO.x:ClientStorage", False)):
        database = make("ZODB.DB:DB", storage=make(storage))
        registry = SimpleNamespace(_zodb_databases={"": database})
        assert bool(find_reason(SimpleNamespace(registry=registry), APP_DIR)) == counts


def test_a_channel_layer_in_memory_counts_and_another_does_not(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    router = make("channels.routing:ProtocolTypeRouter")
    for backend, counts in (("channels.layers.InMemoryChannelLayer", True), ("redis.Layer", False)):
        layers: Any = ModuleType("channels.layers")
        layers.channel_layers = SimpleNamespace(configs={"default": {"BACKEND": backend}})
        monkeypatch.setitem(sys.modules, "channels.layers", layers)
        assert bool(find_reason(router, APP_DIR)) == counts


def test_ends_on_applications_that_contain_themselves_or_raise() -> None:
    class Loop:
        @property
        def app(self) -> Loop:
            return self

        @property
        def routes(self) -> list[object]:
            raise RuntimeError

        @property
        def router(self) -> Loop:
            return Loop()

    assert len(list(parts_of(Loop()))) == MAX_PARTS


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
def test_a_worker_says_so_and_counts_itself_as_the_only_one(tmp_path: Path, interface: str) -> None:
    write_module(tmp_path, "class App:\n    pass", "site-packages/gradio/routes")
    write_module(tmp_path, "", "site-packages/gradio/__init__")
    speaks = {
        "wsgi": "def __call__(self, environ, start_response):\n"
        "        start_response('200 OK', [])\n"
        "        return [str(environ['wsgi.multiprocess']).encode()]",
        "asgi": "async def __call__(self, scope, receive, send): ...",
    }
    source = "from gradio.routes import App\nclass Mine(App):\n    " + speaks[interface]
    write_module(tmp_path, source + "\napp = Mine()", "main")
    env = {"PYTHONPATH": str(tmp_path / "site-packages")}
    for chosen in (False, True):
        with Front(
            "main:app",
            str(tmp_path),
            workers=2,
            workers_chosen=chosen,
            lifespan="off",
            launcher_env=env,
        ) as front:
            worker = front.start()
            reason = f"gradio: {PACKAGES['gradio'][0]}"
            told = worker.expect(frames.READY).json()
            assert told == {"interface": interface, "single": reason}
            if interface == "wsgi":
                worker.send(frames.TAKE)
                head = worker.expect(frames.HEAD, front.ask())
                assert head.body() == str(chosen).encode()
