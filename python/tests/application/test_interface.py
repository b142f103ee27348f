"""Telling WSGI from ASGI without calling anything."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from typhon_worker.application.interface import is_asgi, is_double_callable, may_be_called_with


def wsgi_function(environ: Any, start_response: Any) -> None: ...


class WsgiObject:
    def __call__(self, environ: Any, start_response: Any) -> None: ...

    def method(self, environ: Any, start_response: Any) -> None: ...

    @staticmethod
    def static(environ: Any, start_response: Any) -> None: ...

    @classmethod
    def of_class(cls, environ: Any, start_response: Any) -> None: ...


class WsgiClass:
    def __init__(self, environ: Any, start_response: Any) -> None: ...


class Plain:
    pass


class Inherited(WsgiObject):
    pass


class AsgiObject:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    async def method(self, scope: Any, receive: Any, send: Any) -> None: ...


class AsgiInherited(AsgiObject):
    pass


class AsgiTwo:
    def __init__(self, scope: Any) -> None: ...


async def asgi_function(scope: Any, receive: Any, send: Any) -> None: ...


@functools.wraps(asgi_function)
def wrapped(*args: Any) -> Any:
    return asgi_function(*args)


@pytest.mark.parametrize(
    "app",
    [
        wsgi_function,
        WsgiObject(),
        WsgiObject().method,
        WsgiObject.static,
        WsgiObject.of_class,
        WsgiClass,
        Inherited(),
        Plain,
        lambda environ, start_response: None,
        functools.partial(wsgi_function),
        functools.partial(WsgiObject()),
        print,
        dict,
        len,
    ],
)
def test_is_not_asgi(app: object) -> None:
    assert not is_asgi(app)
    assert may_be_called_with(app, 2)


@pytest.mark.parametrize(
    "app",
    [
        asgi_function,
        AsgiObject(),
        AsgiObject().method,
        AsgiInherited(),
        AsgiTwo,
        functools.partial(asgi_function),
        functools.partial(functools.partial(AsgiObject())),
        functools.partial(asgi_function, send=None),
        lambda scope, receive, send: None,
        wrapped,
        functools.partial(wrapped),
    ],
)
def test_is_asgi(app: object) -> None:
    assert is_asgi(app)


class AsgiTwoObject:
    def __call__(self, scope: Any) -> None: ...


class Endpoint:
    """As Starlette has them: one of it is what is awaited."""

    def __init__(self, scope: Any, receive: Any, send: Any) -> None: ...

    def __await__(self) -> None: ...


class SaysSingle:
    _asgi_single_callable = True

    def __init__(self, scope: Any) -> None: ...


class SaysDouble(AsgiObject):
    _asgi_double_callable = True


@pytest.mark.parametrize(
    "app",
    [AsgiTwo, AsgiTwoObject(), lambda scope: None, functools.partial(AsgiTwo), SaysDouble()],
)
def test_is_called_with_the_scope_alone(app: object) -> None:
    assert is_double_callable(app)


@pytest.mark.parametrize(
    "app",
    [
        asgi_function,
        AsgiObject(),
        AsgiObject().method,
        Endpoint,
        SaysSingle,
        functools.partial(asgi_function),
        functools.partial(asgi_function, send=None),
        wrapped,
        lambda *call: None,
        lambda scope, receive=None, send=None: None,
    ],
)
def test_is_called_once(app: object) -> None:
    assert not is_double_callable(app)


def test_ends_on_objects_that_call_themselves() -> None:
    class Loop:
        pass

    Loop.__call__ = Loop()  # type: ignore[method-assign,attr-defined,assignment]
    assert not is_asgi(Loop())


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (lambda: 0, 0),
        (lambda a=1: 0, 0),
        (lambda *a: 0, 0),
        (lambda *a: 0, 2),
        (lambda a, b, c=1: 0, 2),
        (lambda a, *b: 0, 2),
    ],
)
def test_may_be_called(function: object, arguments: int) -> None:
    assert may_be_called_with(function, arguments)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [(lambda: 0, 2), (lambda a: 0, 2), (lambda a, b, c: 0, 2), (lambda a, *b: 0, 0)],
)
def test_may_not_be_called(function: object, arguments: int) -> None:
    assert not may_be_called_with(function, arguments)
