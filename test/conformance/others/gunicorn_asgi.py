"""A pytest plugin that points gunicorn's ASGI tests at servers that run already.

Their own start-up (docker compose with gunicorn and nginx at fixed ports) is left out; nothing else
of theirs is changed. COMPLIANCE_SERVERS is a JSON object: `gunicorn` and `nginx` are URLs, the
latter "" where there is no nginx; `frameworks` are ports by the name of the framework. Tests that
need what is not there are taken out, and each is named with its reason in the file that
COMPLIANCE_REPORT names: JSON `{"passed": N, "failed": [text], "left_out": {reason: [id]}}`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

SERVERS: dict[str, Any] = json.loads(os.environ["COMPLIANCE_SERVERS"])
# Fixtures of theirs that stand for what a server has or has not.
_NO_TLS = "TLS is not there yet"
_MISSING = {
    "gunicorn_ssl_url": _NO_TLS,
    "nginx_ssl_url": _NO_TLS,
    "http2_client": "HTTP/2 is not there yet",
}
if not SERVERS["nginx"]:
    _MISSING["nginx_url"] = "nginx is not installed"


def _reason(item: pytest.Item) -> str | None:
    for fixture in getattr(item, "fixturenames", ()):
        if fixture in _MISSING:
            return _MISSING[fixture]
    if item.module.__name__.rpartition(".")[2] == "test_http2_asgi":
        return "HTTP/2 is not there yet"
    mark = item.get_closest_marker("skip")
    return None if mark is None else f"gunicorn's own mark: {mark.kwargs.get('reason', '')}"


class Report:
    """What became of each test."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        self.failed: list[str] = []
        self.left_out: dict[str, list[str]] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Takes out what cannot apply."""
        kept = []
        for item in items:
            reason = _reason(item)
            if reason is None:
                kept.append(item)
            else:
                self.left_out.setdefault(reason, []).append(item.nodeid)
        items[:] = kept

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Counts. A test that takes itself out while it runs has failed: nobody has said why."""
        if report.when == "call" and report.passed:
            self.passed.append(report.nodeid)
        elif report.failed or report.skipped:
            self.failed.append(f"{report.nodeid} ({report.when}): {report.longreprtext[-2000:]}")

    def pytest_sessionfinish(self) -> None:
        """Writes it down."""
        report = {"passed": len(self.passed), "failed": self.failed, "left_out": self.left_out}
        Path(os.environ["COMPLIANCE_REPORT"]).write_text(json.dumps(report))


def pytest_configure(config: pytest.Config) -> None:
    """Counts from the beginning."""
    config.pluginmanager.register(Report())


def pytest_collection(session: pytest.Session) -> None:
    """Their table of frameworks has fixed ports."""
    for plugin in session.config.pluginmanager.get_plugins():
        frameworks = getattr(plugin, "FRAMEWORKS", None)
        for name in frameworks or ():
            frameworks[name]["port"] = SERVERS["frameworks"][name]


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> dict[str, str] | None:
    """Their fixture that starts containers gives the URLs of what runs already."""
    if fixturedef.argname != "docker_services":
        return None
    urls = {
        "gunicorn_http": SERVERS["gunicorn"],
        "nginx_http": SERVERS["nginx"],
        "gunicorn_https": "",
        "nginx_https": "",
    }
    fixturedef.cached_result = (urls, fixturedef.cache_key(request), None)
    return urls
