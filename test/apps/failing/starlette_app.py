"""Starlette and FastAPI respond by themselves, and raise the exception again."""

from fails import fail
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse
from starlette.routing import Route


async def boom(request):
    fail("starlette")


async def deliberate(request):
    raise HTTPException(503, "closed")


async def ok(request):
    return HTMLResponse("fine")


app = Starlette(routes=[Route("/boom", boom), Route("/deliberate", deliberate), Route("/ok", ok)])
fast = FastAPI()


@fast.get("/boom")
def fast_boom():
    fail("fastapi")


@fast.get("/deliberate")
def fast_deliberate():
    raise HTTPException(503, "closed")


@fast.get("/ok", response_class=HTMLResponse)
def fast_ok():
    return "fine"
