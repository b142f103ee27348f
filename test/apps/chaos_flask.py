"""The chaos pages behind Flask, whose error handling stands between them and the server."""

import time

BEGAN = time.monotonic()

import chaos_pages  # noqa: E402
from flask import Flask, Response, request  # noqa: E402

app = Flask(__name__)


@app.route("/", defaults={"path": ""}, methods=["GET", "POST"])
@app.route("/<path:path>", methods=["GET", "POST"])
def page(path: str) -> Response:
    return Response(chaos_pages.respond(request.environ), mimetype="text/plain")


chaos_pages.note_start(BEGAN)
