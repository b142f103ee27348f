"""Versions of Node; rendered from src/tls/node-version.ts by tools/render-node-floors.ts."""

from __future__ import annotations

# The oldest release line that runs Typhon.
LEAST_MAJOR = 24
# The first version of each release line without known holes.
FLOORS: tuple[tuple[int, int, int], ...] = ((24, 22, 3), (26, 13, 1))
