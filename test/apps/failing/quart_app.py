"""Quart logs the exception and responds by itself."""

from fails import fail
from quart import Quart, abort

app = Quart(__name__)


@app.route("/boom")
async def boom():
    fail("quart")


@app.route("/deliberate")
async def deliberate():
    abort(503)


@app.route("/ok")
async def ok():
    return "fine"
