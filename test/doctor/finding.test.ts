// The report of `typhon doctor`.

import assert from "node:assert/strict";
import { test } from "node:test";

import { finding, renderFindings } from "../../src/doctor/finding.ts";

test("one line for each finding, what to do below it, and how many there are at the end", () => {
  const findings = [
    finding("ok", "python", "CPython 3.13.4"),
    finding("warn", "open files", "limit 256", "ulimit -n 65536"),
    finding("fail", "configuration", "--port 'x'", ""),
  ];
  assert.equal(
    renderFindings(findings),
    `ok    python         CPython 3.13.4
warn  open files     limit 256
                     → ulimit -n 65536
fail  configuration  --port 'x'

1 to mend, 1 to look at
`,
  );
  assert.match(renderFindings([finding("note", "packages", "no uvloop")]), /\n\nall is well\n$/);
});
