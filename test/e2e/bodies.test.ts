// Bodies in both directions: an application knows the length of each request body, a slow client never holds
// a worker, and a large body does not make a process grow.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { before, test, type TestContext } from "node:test";

import { FILE } from "../support/file-scope.ts";
import { until, within } from "../support/deadline.ts";
import { IS_LONG } from "../support/long.ts";
import { readAnonymousMemory } from "../support/processes.ts";
import { askOnce, fieldOf, getOnce, RawClient } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";

const MEGABYTE = 1024 * 1024;
/** At least eight times what a process may grow by. */
const LARGE_MIB = IS_LONG ? 1024 : 256;
const LARGE_BYTES = LARGE_MIB * MEGABYTE;
/** Memory that the front or a worker may grow by, however large the body. */
const MAX_GROWTH_BYTES = 32 * MEGABYTE;
/** The large body on a loaded machine. */
const TRANSFER_MS = 180_000;

/** One worker with one thread: a request that held it would hold all others. */
const ALONE = ["--workers", "1", "--threads", "1"];
let single: Typhon;
let gate: Typhon;
let gateFolder: string;
let temp: string;

before(async () => {
  temp = makeScratch(FILE);
  gateFolder = makeScratch(FILE);
  [single, gate] = await Promise.all([
    startTyphon(FILE, ["raw:app", ...ALONE, "--temp-dir", temp, "--max-body", "1100M"]),
    startTyphon(FILE, ["gate:app", ...ALONE, "--max-response-spill", "2G"], {
      env: { GATE_DIR: gateFolder, TMPDIR: temp },
    }),
  ]);
});

function chunked(body: Buffer, size: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) {
    const piece = body.subarray(at, at + size);
    parts.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from("\r\n"));
  }
  return Buffer.concat([...parts, Buffer.from("0\r\n\r\n")]);
}

for (const [length, size] of [
  [0, 1],
  [10, 3],
  [5000, 1000],
  [2_000_000, 9999],
] as const) {
  test(`tells the length of a chunked body of ${length} bytes`, async () => {
    const body = randomBytes(length);
    const head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    const answer = await askOnce(single, Buffer.concat([Buffer.from(head), chunked(body, size)]));
    assert.equal(answer.status, 200, answer.text);
    assert.equal(fieldOf(answer, "x-content-length"), String(length));
    assert.deepEqual(answer.body, body);
  });
}

test("asks for an expected body by 100 Continue, once", async () => {
  const client = await RawClient.connect(single);
  client.write(
    "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
  );
  assert.equal((await client.readHead()).status, 100);
  client.write("hello");
  const final = await client.readHead();
  assert.equal(final.status, 200);
  assert.equal(String(await client.readBody(final, "POST")), "hello");
  client.destroy();
});

test("refuses a body beyond the limit without asking for it", async () => {
  const client = await RawClient.connect(single);
  client.write(
    `POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: ${2048 * MEGABYTE}\r\n\r\n`,
  );
  assert.equal((await client.readHead()).status, 413);
  client.destroy();
});

test("a body that is still coming holds no worker", async () => {
  const slow = await RawClient.connect(single);
  slow.write("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfirst");
  for (let count = 0; count < 5; count += 1)
    assert.equal((await getOnce(single, "/fields")).text, "fields");
  slow.write("-last");
  assert.equal((await slow.readResponse("POST")).text, "first-last");
  slow.destroy();
});

test("a client that leaves in the middle of its body starts nothing", async () => {
  const client = await RawClient.connect(single);
  const from = single.output.all.length;
  client.write("POST /close?unfinished HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfirst");
  client.destroy();
  assert.equal((await getOnce(single, "/close?after")).text, "closed once");
  await single.output.waitFor(/closed after \(1\)/, from);
  assert.doesNotMatch(single.output.all.slice(from), /closed unfinished/);
});

test("a client that reads nothing holds no worker", async () => {
  const slow = await RawClient.connect(gate);
  slow.socket.pause();
  slow.write("GET /flood?mb=64 HTTP/1.1\r\nHost: a\r\n\r\n");
  // The thread has handed over the whole body and closed its iterable, though the client has read nothing.
  await until("the application is done", () => existsSync(join(gateFolder, "flood.closed")));
  assert.match((await getOnce(gate, "/quick")).text, /^quick/);
  slow.socket.resume();
  const answer = await slow.readResponse();
  assert.equal(answer.body.length, 64 * MEGABYTE);
  for (let block = 0; block < 1024; block += 1)
    assert.equal(answer.body[block * 65_536 + block], block & 255, `block ${block}`);
  slow.destroy();
});

test("leaves no temporary file behind", async () => {
  const body = randomBytes(3 * MEGABYTE);
  const head = `POST /hash HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`;
  await askOnce(single, Buffer.concat([Buffer.from(head), body]));
  await until("no file is left in the temporary folder", () => {
    const files = readdirSync(temp, { recursive: true, withFileTypes: true });
    return files.every((entry) => !entry.isFile());
  });
});

async function measureGrowth(
  context: TestContext,
  typhon: Typhon,
  work: () => Promise<void>,
): Promise<void> {
  const pids = [typhon.pid, ...typhon.workers().map(({ pid }) => pid)];
  assert.equal(pids.length, 2, "the front and its one worker");
  const idle = pids.map(readAnonymousMemory);
  const most = [...idle];
  const look = setInterval(() => {
    for (const [at, pid] of pids.entries())
      most[at] = Math.max(most[at] ?? 0, readAnonymousMemory(pid));
  }, 50);
  try {
    await within(TRANSFER_MS, work(), "the transfer ends");
  } finally {
    clearInterval(look);
  }
  for (const [at, name] of ["front", "worker"].entries()) {
    const grown = (most[at] ?? 0) - (idle[at] ?? 0);
    const told = `the ${name} grew by ${Math.round(grown / MEGABYTE)} MB`;
    context.diagnostic(told);
    assert(grown < MAX_GROWTH_BYTES, told);
  }
}

test(`takes ${LARGE_MIB} MiB without growing`, async (t) => {
  const block = randomBytes(MEGABYTE);
  const digest = createHash("sha256");
  for (let count = 0; count < LARGE_MIB; count += 1) digest.update(block);
  const expected = `${LARGE_BYTES} ${digest.digest("hex")}`;
  // A fresh server: memory that an earlier body has left behind would hide the growth.
  const typhon = await startTyphon(t, ["raw:app", ...ALONE, "--temp-dir", temp]);
  await askOnce(typhon, "POST /hash HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
  await measureGrowth(t, typhon, async () => {
    const client = await RawClient.connect(typhon);
    client.write(`POST /hash HTTP/1.1\r\nHost: a\r\nContent-Length: ${LARGE_BYTES}\r\n\r\n`);
    for (let count = 0; count < LARGE_MIB; count += 1) await client.send(block);
    // The whole body lies with the server; the worker has yet to read it.
    assert.equal((await client.readResponse("POST", TRANSFER_MS)).text, expected);
    client.destroy();
  });
});

test(`gives ${LARGE_MIB} MiB without growing`, async (t) => {
  const typhon = await startTyphon(t, ["gate:app", ...ALONE], {
    env: { GATE_DIR: gateFolder, TMPDIR: temp },
  });
  await getOnce(typhon, "/quick");
  await measureGrowth(t, typhon, async () => {
    const client = await RawClient.connect(typhon);
    client.write(`GET /flood?mb=${LARGE_MIB} HTTP/1.0\r\n\r\n`);
    assert.equal((await client.readHead()).status, 200);
    const early = await client.readBytes(client.waiting);
    let received = early.length;
    client.socket.removeAllListeners("data");
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    client.socket.on("data", (bytes: Buffer) => {
      const wanted = Math.floor((received + bytes.length - 1) / 65_536) & 255;
      if (bytes.at(-1) !== wanted) reject(new Error(`byte ${received + bytes.length} is wrong`));
      received += bytes.length;
    });
    client.socket.once("end", resolve);
    await promise;
    assert.equal(received, LARGE_BYTES);
    client.destroy();
  });
});
