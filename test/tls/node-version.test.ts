// Which versions of Node are warned about.

import assert from "node:assert/strict";
import { it } from "node:test";

import { oldNodeWarning } from "../../src/tls/node-version.ts";

it("warns about versions of Node with known holes in TLS", () => {
  for (const version of ["v24.22.2", "v24.0.0", "v25.9.9", "v26.13.0", "v26.2.7", "v22.30.0"])
    assert.match(oldNodeWarning(version) ?? "", new RegExp(`^Node ${version} has known holes`));
  for (const version of [
    "v24.22.3",
    "v24.23.0",
    "v26.13.1",
    "v26.20.0-nightly",
    "v27.0.0",
    "v28.1.0",
  ])
    assert.equal(oldNodeWarning(version), null, version);
});
