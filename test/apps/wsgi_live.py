"""Streams in Flask: live ones, and one that may wait. Notes in GATE_DIR what was taken of each."""

import os
from collections.abc import Iterator
from pathlib import Path

from flask import Flask, Response, request

FOLDER = Path(os.environ.get("GATE_DIR", "."))
PIECE = b"x" * 65_536

app = Flask(__name__)


def pieces(name: str, count: int) -> Iterator[bytes]:
    try:
        for number in range(count):
            (FOLDER / f"{name}.taken").write_text(str(number))
            yield PIECE
        (FOLDER / f"{name}.whole").write_text("")
    finally:
        (FOLDER / f"{name}.ended").write_text("")


@app.get("/stream/<name>")
def stream(name: str) -> Response:
    response = Response(pieces(name, int(request.args["count"])))
    for field, value in request.args.items():
        if field != "count":
            response.headers[field] = value
    return response
