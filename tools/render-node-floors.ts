// Writes python/typhon_server/node_floors.py from the versions of src/tls/node-version.ts:
//     node tools/render-node-floors.ts
// A test compares the file with the versions, so the file is never edited by hand.

import { writeFileSync } from "node:fs";

import { FLOORS, LEAST_MAJOR } from "../src/tls/node-version.ts";

/** The text of the Python module. */
export function renderNodeFloors(): string {
  const floors = FLOORS.map((floor) => `(${floor.join(", ")})`).join(", ");
  return `"""Versions of Node; rendered from src/tls/node-version.ts by tools/render-node-floors.ts."""

from __future__ import annotations

# The oldest release line that runs Typhon.
LEAST_MAJOR = ${LEAST_MAJOR}
# The first version of each release line without known holes.
FLOORS: tuple[tuple[int, int, int], ...] = (${floors})
`;
}

if (import.meta.main)
  writeFileSync(
    new URL("../python/typhon_server/node_floors.py", import.meta.url),
    renderNodeFloors(),
  );
