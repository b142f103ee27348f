"""Applications that are made by a call, and one deep in an object."""

from collections.abc import Iterable
from typing import Any


class Site:
    """An application as a bound method of an attribute."""

    def __init__(self, name: str) -> None:
        self.name = name

    def serve(self, _environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [self.name.encode()]


site = Site("deep")


def create_app() -> Any:
    return Site("made").serve


def fail_to_create() -> Any:
    raise LookupError("no settings for the factory")


application = Site("application").serve
