// The figures of h2load's summary and log, and the runs that are void.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseH2load } from "../h2load.ts";

const SUMMARY = `TLS Protocol: TLSv1.3
Application protocol: h2

finished in 2.01s, 150.00 req/s, 1.50MB/s
requests: 4 total, 4 started, 4 done, 4 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 4 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 400B (400) total, 165B (165) headers (space savings 45.54%), 52B (52) data
`;
const LOG = "1\t200\t1000\n2\t200\t4000\n3\t200\t2000\n4\t200\t3000\n";

test("reads requests, rates, bytes and latencies in milliseconds", () => {
  assert.deepEqual(parseH2load(SUMMARY, LOG), {
    requests: 4,
    requestsPerSecond: 150,
    p50: 2,
    p99: 4,
    max: 4,
    bytesEach: 100,
  });
});

test("a run with a failed request, another status or HTTP/1.1 is void", () => {
  for (const [good, bad] of [
    ["0 failed", "1 failed"],
    ["4 2xx, 0 3xx, 0 4xx", "3 2xx, 0 3xx, 1 4xx"],
    ["protocol: h2", "protocol: http/1.1"],
  ] as const)
    assert.throws(() => parseH2load(SUMMARY.replace(good, bad), LOG), Error);
});
