"""Litestar responds by itself and tells nobody of the exception."""

from fails import fail
from litestar import Litestar, MediaType, get
from litestar.exceptions import HTTPException


@get("/boom", sync_to_thread=False)
def boom() -> str:
    fail("litestar")


@get("/deliberate", sync_to_thread=False)
def deliberate() -> str:
    raise HTTPException("closed", status_code=503)


@get("/ok", media_type=MediaType.HTML, sync_to_thread=False)
def ok() -> str:
    return "fine"


app = Litestar([boom, deliberate, ok])
