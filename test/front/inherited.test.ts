// Which descriptors are passed to us; test/e2e/systemd.test.ts listens at real ones.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  inheritedDescriptors,
  inheritedNames,
  inheritedScheme,
} from "../../src/front/inherited.ts";

for (const [why, environment, expected] of [
  ["nothing is said", {}, []],
  ["one for us", { LISTEN_FDS: "1", LISTEN_PID: "50" }, [3]],
  ["three for us", { LISTEN_FDS: "3", LISTEN_PID: "50" }, [3, 4, 5]],
  ["for another process", { LISTEN_FDS: "1", LISTEN_PID: "51" }, []],
  ["for nobody", { LISTEN_FDS: "1" }, []],
  ["none", { LISTEN_FDS: "0", LISTEN_PID: "50" }, []],
  ["no number", { LISTEN_FDS: "-1", LISTEN_PID: "50" }, []],
] as const) {
  test(`LISTEN_FDS: ${why}`, () =>
    assert.deepEqual(inheritedDescriptors(environment, 50), expected));
}

test("LISTEN_FDS: at most 64 sockets are used", () => {
  assert.equal(inheritedDescriptors({ LISTEN_FDS: "100000", LISTEN_PID: "50" }, 50).length, 64);
});

test("LISTEN_FDNAMES: the name of each descriptor, in order", () => {
  assert.deepEqual(inheritedNames({ LISTEN_FDNAMES: "https:web.socket:http" }), [
    "https",
    "web.socket",
    "http",
  ]);
  assert.deepEqual(inheritedNames({}), [""]);
});

const PORT_443 = { kind: "tcp", host: "::", port: 443 } as const;
const PORT_80 = { kind: "tcp", host: "::", port: 80 } as const;
const UNIX = { kind: "unix", path: "/run/a" } as const;
for (const [why, name, address, hasTls, expected] of [
  ["without certificates nothing speaks TLS", "web.socket", PORT_443, false, "http"],
  ["with certificates a port speaks TLS", "web.socket", PORT_443, true, "https"],
  ["with certificates port 80 does not", "", PORT_80, true, "http"],
  ["with certificates a Unix socket does not", "", UNIX, true, "http"],
  ["a name turns TLS on", "https", PORT_80, true, "https"],
  ["a name turns TLS off", "http", PORT_443, true, "http"],
  ["a name may not ask for TLS without certificates", "https", PORT_443, false, null],
  ["a name may not ask for TLS at a Unix socket", "https", UNIX, true, null],
] as const)
  test(`the scheme of a passed socket: ${why}`, () =>
    assert.equal(inheritedScheme(name, address, hasTls), expected));
