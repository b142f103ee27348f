"""Files of the folder GATE_DIR, as Flask, Django and plain WSGI applications send them.

/flask/send?path, /flask/directory/NAME, /flask/buffer; /x/…: the same with USE_X_SENDFILE.
/django/file?path, /django/conditional?path, /django/accel?target, /django/sendfile?path.
/raw/file?path, /raw/temporary, /raw/closed: which files were closed.
"""

import io
import os
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import django
import flask
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import FileResponse, HttpRequest, HttpResponse
from django.urls import path as url
from django.views.decorators.http import condition
from werkzeug.middleware.dispatcher import DispatcherMiddleware

FOLDER = Path(os.environ["GATE_DIR"])
LARGE = 100_000_000


def make_flask(use_x_sendfile: bool) -> flask.Flask:
    app = flask.Flask(__name__)
    app.config["USE_X_SENDFILE"] = use_x_sendfile

    @app.get("/send")
    def send() -> flask.Response:
        return flask.send_file(flask.request.args["path"], download_name="named.bin")

    @app.get("/directory/<path:name>")
    def directory(name: str) -> flask.Response:
        return flask.send_from_directory(FOLDER, name, as_attachment=True, max_age=60)

    @app.get("/buffer")
    def buffer() -> flask.Response:
        return flask.send_file(io.BytesIO(b"in memory"), "text/plain")

    return app


def file(request: HttpRequest) -> FileResponse:
    return FileResponse(open(request.GET["path"], "rb"), as_attachment=True)


@condition(etag_func=lambda _: '"django"')
def conditional(request: HttpRequest) -> FileResponse:
    response = FileResponse(open(request.GET["path"], "rb"))
    response["Accept-Ranges"] = "bytes"
    return response


def accel(request: HttpRequest) -> HttpResponse:
    response = HttpResponse(headers={"X-Accel-Redirect": request.GET["target"]})
    del response["Content-Type"]
    response.set_cookie("seen", "1")
    return response


def sendfile(request: HttpRequest) -> HttpResponse:
    return HttpResponse(headers={"X-Sendfile": request.GET["path"]}, content_type="a/b")


settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="for tests alone",
    MIDDLEWARE=[
        "django.middleware.common.CommonMiddleware",
        "django.middleware.http.ConditionalGetMiddleware",
    ],
)
django.setup()
urlpatterns = [
    url("file", file),
    url("conditional", conditional),
    url("accel", accel),
    url("sendfile", sendfile),
]

closed: list[str] = []


def raw(environ: dict[str, Any], start_response: Any) -> Any:
    name = environ["PATH_INFO"]
    given: Any
    if name == "/closed":
        start_response("200 OK", [])
        return [" ".join(closed).encode()]
    if name == "/temporary":
        given = tempfile.NamedTemporaryFile()
        given.truncate(LARGE)
        given.seek(LARGE - 300_000)
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
    else:
        given = open(unquote(environ["QUERY_STRING"]), "rb")
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
    wrapper = environ["wsgi.file_wrapper"](given)
    close = wrapper.close

    def note() -> None:
        close()
        closed.append(name)

    wrapper.close = note
    return wrapper


app = DispatcherMiddleware(
    raw,
    {"/flask": make_flask(False), "/x": make_flask(True), "/django": WSGIHandler(), "/raw": raw},
)
