"""Files of the folder GATE_DIR, as FastAPI and Starlette send them.

/file?path: FileResponse; /static/NAME: StaticFiles; /sendfile?path and /accel?target: by a field.
"""

import os
from pathlib import Path

from fastapi import FastAPI, Response
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

FOLDER = Path(os.environ["GATE_DIR"])
app = FastAPI()
app.mount("/static", StaticFiles(directory=FOLDER))


@app.get("/pid")
async def pid() -> int:
    return os.getpid()


@app.api_route("/file", methods=["GET", "HEAD"])
async def file(path: str) -> FileResponse:
    return FileResponse(path, filename="named.bin", headers={"Cache-Control": "private"})


@app.get("/sendfile")
async def sendfile(path: str) -> Response:
    return Response(headers={"X-Sendfile": path}, media_type="a/b")


@app.get("/accel")
async def accel(target: str) -> Response:
    return Response(headers={"X-Accel-Redirect": target, "X-Accel-Expires": "60"})
