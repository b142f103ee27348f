"""Requests between pre_request and post_request: a deadline still reaches the application."""

from __future__ import annotations

import sys
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from typhon_worker.application.cancellation import is_application_code
from typhon_worker.application.gunicorn_requests import RequestHooks


@pytest.mark.parametrize("has_after", [False, True])
def test_a_deadline_may_interrupt_the_application(has_after: bool) -> None:
    found = []

    def app(_environ: Any, start_response: Any) -> list[bytes]:
        found.append(is_application_code(sys._getframe(), ()))
        start_response("200 OK", [])
        return []

    class Worker:
        nr = 0

    after = (lambda *_: None) if has_after else None
    hooks = RequestHooks(app, Worker(), lambda *_: None, after)
    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    hooks(environ, lambda *_: None)
    assert found == [True]
