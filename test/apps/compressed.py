"""Responses that a server may compress: in Flask, Django and Starlette, whole and in pieces.

Streams go on when the test has written the next file into the folder of the variable GATE_DIR.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from flask import Flask, Response, request
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response as StarletteResponse
from starlette.responses import StreamingResponse
from starlette.routing import Mount, Route

FOLDER = Path(os.environ.get("GATE_DIR", "."))
TEXT = "".join(f"{number * 7919 % 10007} is a number\n" for number in range(500))
LONG = TEXT * 400

flask_app = Flask(__name__)


@flask_app.get("/page")
def page() -> Response:
    response = Response(TEXT, mimetype="text/html")
    response.add_etag()
    return response.make_conditional(request)


@flask_app.get("/long")
def long() -> Response:
    return Response(LONG, mimetype="text/plain")


@flask_app.get("/fields")
def fields() -> Response:
    """A response with the fields that the client asks for."""
    response = Response(TEXT, mimetype="text/plain")
    for name, value in request.args.items():
        response.headers[name] = value
    return response


@flask_app.get("/lines/<name>")
def lines(name: str) -> Response:
    def parts() -> Iterator[str]:
        for number in range(3):
            while not (FOLDER / f"{name}.{number}").exists():
                time.sleep(0.005)
            yield f"line {number}\n"

    return Response(parts(), mimetype="text/plain")


@flask_app.get("/endless/<name>")
def endless(name: str) -> Response:
    def parts() -> Iterator[bytes]:
        count = 0
        try:
            while True:
                count += 1
                (FOLDER / f"{name}.taken").write_text(str(count))
                yield os.urandom(49_152)
        finally:
            (FOLDER / f"{name}.ended").write_text("")

    return Response(parts(), mimetype="text/plain", headers={"X-Accel-Buffering": "no"})


@flask_app.get("/large/<name>")
def large(name: str) -> Response:
    """20 MB that do not become smaller, for clients that read slowly."""

    def parts() -> Iterator[bytes]:
        for _ in range(400):
            yield os.urandom(49_152)
        (FOLDER / f"{name}.whole").write_text("")

    return Response(parts(), mimetype="text/plain")


async def events(request: Request) -> StarletteResponse:
    name = request.path_params["name"]

    async def parts() -> AsyncIterator[str]:
        for number in range(3):
            while not (FOLDER / f"{name}.{number}").exists():
                await asyncio.sleep(0.005)
            yield f"data: event {number}\n\n"

    return StreamingResponse(parts(), media_type="text/event-stream")


async def ticks(request: Request) -> StarletteResponse:
    name = request.path_params["name"]

    async def parts() -> AsyncIterator[str]:
        try:
            while True:
                yield "data: tick\n\n"
                await asyncio.sleep(0.005)
        finally:
            (FOLDER / f"{name}.ended").write_text("")

    return StreamingResponse(parts(), media_type="text/event-stream")


async def starlette_page(request: Request) -> StarletteResponse:
    return StarletteResponse(TEXT, media_type="text/html", headers={"ETag": '"page"'})


async def starlette_long(request: Request) -> StarletteResponse:
    async def parts() -> AsyncIterator[str]:
        for _ in range(400):
            yield TEXT

    return StreamingResponse(parts(), media_type="text/plain")


asgi_app = Starlette(
    routes=[
        Route("/events/{name}", events),
        Route("/ticks/{name}", ticks),
        Route("/page", starlette_page),
        Route("/long", starlette_long),
        Mount(
            "/own", routes=[Route("/page", starlette_page)], middleware=[Middleware(GZipMiddleware)]
        ),
    ]
)


def django_page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(TEXT)


urlpatterns = [path("page", django_page)]
if not settings.configured:
    settings.configure(
        SECRET_KEY="compressed",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        MIDDLEWARE=[
            "django.middleware.http.ConditionalGetMiddleware",
            "django.middleware.common.CommonMiddleware",
        ],
    )
django_app = get_wsgi_application()
