"""Objects that stand for gunicorn's own: with a few attributes, and a sentence for all others."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class StandIn:
    """An object of which hooks use some attributes; they may set others."""

    kind = ""

    def __getattr__(self, name: str) -> Any:
        known = ", ".join(sorted(one for one in self.__dict__ if not one.startswith("_")))
        raise AttributeError(
            f"gunicorn's {self.kind}.{name} does not exist under Typhon; {self.kind} has {known}"
        )

    if TYPE_CHECKING:

        def __setattr__(self, name: str, value: Any) -> None: ...
