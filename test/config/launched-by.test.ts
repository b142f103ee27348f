// What the Python package's command says of itself, and that no application sees it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { NO_LAUNCHER, takeLauncher } from "../../src/config/launched-by.ts";

test("takes the Python that has started Typhon out of the variables", () => {
  for (const kind of ["venv", "tool", "system"] as const) {
    const environment = {
      HOME: "/h",
      TYPHON_KEPT_PYTHON: "/v/bin/python",
      TYPHON_KEPT_PYTHON_KIND: kind,
    };
    assert.deepEqual(takeLauncher(environment), { python: "/v/bin/python", kind });
    assert.deepEqual(environment, { HOME: "/h" });
  }
});

test("half of it counts as nothing, and is removed as well", () => {
  for (const given of [
    {},
    { TYPHON_KEPT_PYTHON: "/v/bin/python" },
    { TYPHON_KEPT_PYTHON_KIND: "venv" },
    { TYPHON_KEPT_PYTHON: "/v/bin/python", TYPHON_KEPT_PYTHON_KIND: "other" },
  ]) {
    const environment: Record<string, string> = given;
    assert.deepEqual(takeLauncher(environment), NO_LAUNCHER);
    assert.deepEqual(environment, {});
  }
});
