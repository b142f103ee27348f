// A small limit of open files, and clients who take all that they get of it: the server lives, replaces workers,
// loads code anew, and serves again when the clients have left.

import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";

import { until } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { listDescriptors } from "../support/processes.ts";
import { askOnce, getOnce, RawClient } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";

const MIB = 1_048_576;
const LIMIT = 160;
/** A body that needs a file, of which so much is sent. */
const DECLARED_BYTES = 1_000_000;
const SENT = Buffer.alloc(300_000);
const BODY = `POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: ${DECLARED_BYTES}\r\n\r\n`;
const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

let typhon: Typhon;

before(async () => {
  const folder = makeScratch(FILE);
  const node = join(folder, "node");
  writeFileSync(node, `#!/bin/sh\nulimit -n ${LIMIT}\nexec "${process.execPath}" "$@"\n`);
  chmodSync(node, 0o755);
  typhon = await startTyphon(FILE, ["raw:app", "--workers", "2"], {
    env: { TYPHON_NODE: node, TMPDIR: folder },
  });
});

/** Clients that send a part of their body, until each of them holds a file or was refused. */
async function crowd(count: number): Promise<RawClient[]> {
  const clients: RawClient[] = [];
  for (let at = 0; at < count; at += 1) {
    const client = await RawClient.connect(typhon);
    clients.push(client);
    client.write(BODY);
    client.write(SENT);
  }
  const files = (): number =>
    listDescriptors(typhon.pid).filter((target) => target.includes("typhon-bodies-")).length;
  await until("every client has a file or a response", () => {
    const answered = clients.filter(({ waiting, state }) => waiting > 0 || state !== "open").length;
    return files() + answered >= count;
  });
  return clients;
}

async function statusOf(client: RawClient): Promise<number> {
  return client.waiting > 0 ? (await client.readResponse("POST")).status : 0;
}

test("bodies that take all files are refused before workers need one", async () => {
  const first = await RawClient.connect(typhon);
  assert.equal((await first.ask(GET)).status, 200);
  first.write(BODY);
  const clients = await crowd(LIMIT);
  const statuses = new Set(await Promise.all(clients.map(statusOf)));
  assert.deepEqual(
    [...statuses].sort((a, b) => a - b),
    [0, 503, 507].filter((each) => statuses.has(each)),
  );
  assert(statuses.has(503) || statuses.has(507), "nobody was refused");
  const open = listDescriptors(typhon.pid).length;
  assert(open < LIMIT - 20, `no reserve is left: ${open}`);

  const [killed] = typhon.workers();
  assert(killed !== undefined);
  process.kill(killed.pid, "SIGKILL");
  await until("another worker replaces the killed one", () => {
    const pids = typhon.workers().map(({ pid }) => pid);
    return pids.length === 2 && !pids.includes(killed.pid);
  });
  const from = typhon.output.all.length;
  typhon.signal("SIGHUP");
  await typhon.output.waitFor(/new code serves/, from);

  first.write(Buffer.alloc(DECLARED_BYTES));
  const { status } = await first.readResponse("POST");
  assert(status === 200 || status === 507, `the body that was begun early: ${status}`);
  for (const client of [first, ...clients]) client.destroy();
  await until("requests are served again", () =>
    getOnce(typhon, "/").then(
      (response) => response.status === 200,
      () => false,
    ),
  );
  const large = await askOnce(
    typhon,
    Buffer.concat([Buffer.from(BODY), Buffer.alloc(DECLARED_BYTES)]),
  );
  assert.equal(large.body.length, DECLARED_BYTES);
});

test("all temporary files have one limit: a body gets 507, a response waits for its client and comes whole", async (t) => {
  const args = ["gate:app", "--workers", "1", "--threads", "2", "--max-temp-size", "2M"];
  const small = await startTyphon(t, args, { env: { GATE_DIR: makeScratch(t) } });
  const slow = await RawClient.connect(small);
  slow.socket.pause();
  slow.write("GET /flood?mb=32 HTTP/1.1\r\nHost: a\r\n\r\n");
  await until("the response fills its half", () =>
    listDescriptors(small.pid).some((target) => target.includes("typhon-bodies-")),
  );
  const head = `POST /quick HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${3 * MIB}\r\n\r\n`;
  const refused = await RawClient.connect(small);
  refused.write(head);
  refused.write(Buffer.alloc(3 * MIB));
  assert.equal((await refused.readResponse("POST")).status, 507);
  assert.match((await getOnce(small, "/quick")).text, /^quick/);
  slow.socket.resume();
  const { body } = await slow.readResponse();
  assert.equal(body.length, 32 * MIB);
  for (let block = 0; block < 512; block += 1)
    assert.equal(body[block * 65_536 + block], block & 255, `block ${block}`);
  for (const client of [refused, slow]) client.destroy();
});
