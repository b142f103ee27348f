"""The chaos pages behind Flask, whose error handling stands between them and the server."""

import time

BEGAN = time.monotonic()

# ruff: noqa: I001, E402

from flask import Flask, Response, request

import chaos_pages

app = Flask(__name__)


@app.route("/", defaults={"path": ""}, methods=["GET", "POST"])
@app.route("/<path:path>", methods=["GET", "POST"])
def page(path: str) -> Response:
    return Response(chaos_pages.respond(request.environ), mimetype="text/plain")


chaos_pages.note_start(BEGAN)
