// The addresses of a start: which ones are tried, and what is said of them.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";

import {
  askPorts,
  checkPorts,
  listeningInodes,
  wantedAddresses,
  type PortFacts,
} from "../../src/doctor/ports.ts";
import { makeScratch } from "../support/scratch.ts";

const AT_8000 = { kind: "tcp", scheme: "http", host: "127.0.0.1", port: 8000 } as const;

test("the addresses that are tried without --bind, and which of them the start needs", () => {
  const words = (bind: Parameters<typeof wantedAddresses>[0]) =>
    wantedAddresses(bind).map(
      ({ address, isNeeded }) =>
        `${address.kind === "tcp" ? address.port : address.path}${isNeeded ? "!" : ""}`,
    );
  assert.deepEqual(words("default"), ["80", "8000!"]);
  assert.deepEqual(words("default-https"), ["443", "80", "8443!"]);
  assert.deepEqual(words("domains"), ["443!", "80!"]);
  assert.deepEqual(words([AT_8000, { kind: "unix", path: "/s", scheme: "http" }]), [
    "8000!",
    "/s!",
  ]);
});

for (const [why, facts, level, text] of [
  ["free", { code: "" }, "ok", /^http:\/\/127\.0\.0\.1:8000 is free$/],
  ["taken", { code: "EADDRINUSE", holder: "7 (nginx)" }, "fail", /is taken by process 7 \(nginx\)/],
  ["taken by nobody knows", { code: "EADDRINUSE" }, "fail", /by another process/],
  [
    "taken by Typhon",
    { code: "EADDRINUSE", holder: "7 (typhon app:app)" },
    "note",
    /7 \(typhon app:app\)/,
  ],
  ["taken, but not needed", { code: "EADDRINUSE", isNeeded: false }, "note", /taken/],
  ["not allowed", { code: "EACCES", address: { ...AT_8000, port: 80 } }, "fail", /may not listen/],
  ["not here", { code: "EADDRNOTAVAIL" }, "fail", /no address of this machine/],
  ["something else", { code: "EMFILE" }, "fail", /\(EMFILE\)/],
] as const) {
  test(`an address that is ${why}`, () => {
    const usual: PortFacts = { address: AT_8000, isNeeded: true, code: "", holder: "" };
    const [found] = checkPorts([{ ...usual, ...facts }]);
    assert.equal(found?.level, level);
    assert.match(found.fact, text);
  });
}

test("sockets that listen are found in /proc/net/tcp by their port", () => {
  const text = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100 0 0 10 0
   1: 0100007F:1F40 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4243 1 0 100 0 0 10 0
   2: 00000000:1F41 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4244 1 0 100 0 0 10 0
`;
  assert.deepEqual(listeningInodes(text, 8000), ["4242"]);
  assert.deepEqual(listeningInodes(text, 80), []);
});

test("real ports and sockets: free ones stay free, a taken one has a holder", async (t) => {
  const server = createServer();
  t.after(() => server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert(typeof address === "object" && address !== null);
  const taken = { ...AT_8000, port: address.port };
  const path = join(makeScratch(t), "s");
  const [first, second, third] = await askPorts([
    taken,
    { ...AT_8000, port: 0 },
    { kind: "unix", path, scheme: "http" },
  ]);
  assert.equal(first?.code, "EADDRINUSE");
  assert.match(first.holder, new RegExp(`^${process.pid} \\(`));
  assert.deepEqual([second?.code, third?.code], ["", ""]);
  const atPath = createServer();
  t.after(() => atPath.close());
  atPath.listen(path);
  await once(atPath, "listening");
  const [fourth] = await askPorts([{ kind: "unix", path, scheme: "http" }]);
  assert.equal(fourth?.code, "EADDRINUSE");
});
