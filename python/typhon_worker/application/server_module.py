"""The package typhon_server where the application's environment does not have it.

Typhon may be installed elsewhere: by npm, by pipx, or as a checkout. A finder behind all others
then finds this one name, and sys.path stays as it is. An application's own installation of
typhon_server wins.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType

NAME = "typhon_server"
# The folder that holds the package typhon_worker.
_FOLDER = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class _Finder:
    @staticmethod
    def find_spec(
        name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != NAME:
            return None
        from importlib.machinery import PathFinder

        return PathFinder.find_spec(name, _folders())


# Beside typhon_worker; or, where typhon_worker lies inside of the wheel's typhon_server, around it.
def _folders() -> list[str]:
    around = os.path.dirname(_FOLDER)
    is_inside = os.path.basename(around) == NAME
    return [_FOLDER, os.path.dirname(around)] if is_inside else [_FOLDER]


def offer() -> None:
    """Lets the application import typhon_server. Done twice it does nothing."""
    if _Finder not in sys.meta_path:
        sys.meta_path.append(_Finder)
