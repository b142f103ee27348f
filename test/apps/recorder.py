"""Reads each body whole and notes the request, by the client's port, before it answers 200.

One JSON line a request in the file RECORDER_DIR/PORT, in one O_APPEND write.
"""

import json
import os
from collections.abc import Iterable
from typing import Any

FOLDER = os.environ["RECORDER_DIR"]


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    body = environ["wsgi.input"].read()
    note = {name: value for name, value in environ.items() if isinstance(value, str)}
    note["body"] = body.decode("latin-1")
    log = os.open(
        os.path.join(FOLDER, environ["REMOTE_PORT"]), os.O_WRONLY | os.O_APPEND | os.O_CREAT
    )
    os.write(log, json.dumps(note).encode("ascii") + b"\n")
    os.close(log)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok\n"]
