"""BlackSheep logs the exception and responds by itself."""

from blacksheep import Application, get, html
from blacksheep.exceptions import HTTPException
from fails import fail

app = Application()


@get("/boom")
async def boom():
    fail("blacksheep")


@get("/deliberate")
async def deliberate():
    raise HTTPException(503, "closed")


@get("/ok")
async def ok():
    return html("fine")
