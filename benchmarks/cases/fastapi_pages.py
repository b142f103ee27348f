"""FastAPI as its tutorial shows it: a JSON page, and a JSON body checked by a model."""

from __future__ import annotations

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Item(BaseModel):
    """What may be posted."""

    name: str
    price: float
    tags: list[str] = []


@app.get("/")
async def hello() -> dict[str, str]:
    """Respond with 25 bytes of JSON."""
    return {"message": "Hello World"}


@app.post("/items")
async def create(item: Item) -> dict[str, object]:
    """Respond with values of a checked item."""
    return {"name": item.name, "total": item.price * 2, "tags": item.tags}
