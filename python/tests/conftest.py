"""Fixtures: an application written into a folder, and a front that serves it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from front import Front, Worker, response_to, wait_until

Serve = Callable[..., Front]

LOOPS = (
    "asyncio",
    "uvloop",
)


def write_module(folder: Path, source: str, name: str = "site_under_test") -> str:
    """Writes a module; returns its name."""
    path = folder / f"{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(source))
    return name


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """`serve(source, **settings)` → a front whose application is `app` in that source."""
    with ExitStack() as stack:

        def start(source: str, **settings: Any) -> Front:
            module = write_module(tmp_path, source)
            app = settings.pop("app", f"{module}:app")
            app_dir = settings.pop("app_dir", str(tmp_path))
            return stack.enter_context(Front(app, app_dir, **settings))

        yield start


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> str:
    """A loop that an ASGI application may run in: what is tested holds in each."""
    return str(request.param)


@pytest.fixture(scope="module")
def front_in(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Front]]:
    """`front_in(loop)` → the front of the module in that loop: a launcher costs more than a worker.

    The module names its application APP, and other settings than the usual ones SETTINGS.
    """
    with ExitStack() as stack:
        fronts: dict[str, Front] = {}

        def start(loop: str) -> Front:
            if loop not in fronts:
                folder = tmp_path_factory.mktemp("application")
                module = write_module(folder, request.module.APP)
                settings = {"interface": "asgi", "lifespan": "off", "loop": loop}
                settings.update(getattr(request.module, "SETTINGS", {}))
                fronts[loop] = stack.enter_context(Front(f"{module}:app", str(folder), **settings))
            return fronts[loop]

        yield start


@pytest.fixture
def front(front_in: Callable[[str], Front], loop: str) -> Iterator[Front]:
    """A front without workers before the ASGI application that stands in the module's APP."""
    front = front_in(loop)
    front.end_workers()
    yield front
    front.end_workers()


@pytest.fixture
def worker(
    request: pytest.FixtureRequest, front_in: Callable[[str], Front], loop: str
) -> Iterator[Worker]:
    """A worker that takes, and that has written nothing to standard error at the end.

    It is the worker of the test before, if that test has left it as it was: importing asyncio costs
    more than most tests. An application that keeps notes for a test gives them at /what_was_told.
    """
    front = front_in(loop)
    if not front.workers:
        front.start_taking(interface="asgi")
    elif "def what_was_told" in request.module.APP:
        # Notes for an earlier test are none for this one.
        while response_to(front.workers[0], front.ask(path="/what_was_told"))[1]:
            pass
        wait_until(front.workers[0].is_idle, "an idle worker")
    worker = front.workers[0]
    worker.times.clear()
    try:
        yield worker
        assert worker.read_err() == ""
    finally:
        if front.workers != [worker] or not worker.is_idle():
            front.end_workers()
