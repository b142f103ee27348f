// WebSockets have a limit of their own and leave room for requests; what clients send to an application that does
// not receive is limited in all. Memory is read from /proc: the bounds hold without a control group.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test, type TestContext } from "node:test";
import { deflateRawSync } from "node:zlib";

import { until } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { IS_LONG } from "../support/long.ts";
import { readAnonymousMemory } from "../support/processes.ts";
import { getOnce, RawClient } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";
import { binary, close, FrameClient, frame, HANDSHAKE, Opcode, text } from "../websocket/frames.ts";

const MIB = 1_048_576;
const DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
const RSV1 = 4;
/** WebSockets of the limit, several times as many as requests. */
const LIMIT = 40;
let typhon: Typhon;
let folder: string;

before(async () => {
  folder = makeScratch(FILE);
  typhon = await start(FILE, "--concurrency", "4", "--ws-concurrency", `${LIMIT}`);
});

function start(scope: Parameters<typeof startTyphon>[0], ...args: string[]): Promise<Typhon> {
  const env = { GATE_DIR: folder };
  return startTyphon(scope, ["asgi_unread:app", "--workers", "1", ...args], { env });
}

async function open(context: TestContext, path = "/", on = typhon): Promise<FrameClient> {
  const client = await FrameClient.open(on, DEFLATE, Buffer.alloc(0), path);
  context.after(() => client.destroy());
  return client;
}

/** Asks for a WebSocket → the status. */
async function ask(context: TestContext, path = "/"): Promise<[status: number, wait: string]> {
  const client = await RawClient.connect(typhon);
  context.after(() => client.destroy());
  client.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n${HANDSHAKE}\r\n`);
  const { status, fields } = await client.readHead();
  return [status, fields.get("retry-after")?.join() ?? ""];
}

test("open WebSockets leave the places of requests free, and have a limit of their own: 503", async (t) => {
  const all: FrameClient[] = [];
  while (all.length < LIMIT) all.push(await open(t));
  assert.equal((await getOnce(typhon, "/")).status, 200);
  assert.deepEqual(await ask(t), [503, "1"]);
  const [first, second] = all;
  assert.ok(first !== undefined && second !== undefined);
  second.send(text("still"));
  assert.match((await second.hear(1)).join(), /^text \d+ 5$/);
  first.send(close(1000));
  assert.equal(await first.readClose(), 1000);
  await until("there is room", async () => (await ask(t))[0] === 101);
  for (const client of all) client.destroy();
  await until("all have ended", async () => (await ask(t, "/denied"))[0] === 403);
});

test("handshakes that are denied give their place back", async (t) => {
  for (let count = 0; count <= LIMIT; count += 1) assert.equal((await ask(t, "/denied"))[0], 403);
});

test("a WebSocket counts until its application has ended, also without its client", async (t) => {
  for (let count = 0; count < LIMIT; count += 1) {
    const client = await open(t, "/stays");
    client.send(close(1000));
    assert.equal(await client.readClose(), 1000);
  }
  assert.equal((await ask(t))[0], 503);
  assert.equal((await getOnce(typhon, "/")).status, 200);
  writeFileSync(join(folder, "read.go"), "");
  await until("they have ended", async () => (await ask(t, "/denied"))[0] === 403);
});

test("messages to an application that does not receive have one limit in all, counted decompressed", async (t) => {
  const gate = makeScratch(t);
  const server = await startTyphon(t, ["asgi_unread:app", "--workers", "1"], {
    env: { GATE_DIR: gate },
  });
  const [worker] = server.workers();
  assert.ok(worker !== undefined);
  const idle = readAnonymousMemory(worker.pid);
  const packed = deflateRawSync(Buffer.alloc(16 * MIB), { finishFlush: 2 }).subarray(0, -4);
  const empty = Buffer.concat(Array.from({ length: 20_000 }, () => frame(Opcode.BINARY)));
  const send = async (bytes: Buffer, count: number): Promise<FrameClient[]> => {
    const clients: FrameClient[] = [];
    for (; clients.length < count; clients.at(-1)?.send(bytes))
      clients.push(await open(t, "/unread", server));
    return clients;
  };
  const bombs = await send(binary(packed, { rsv: RSV1 }), IS_LONG ? 100 : 30);
  // At most nine of these messages fit; the other clients get 1013.
  let refused = 0;
  const count = (code: number): void => void (refused += Number(code === 1013));
  // The connections of the others end with the test.
  for (const bomb of bombs) bomb.readClose().then(count, () => undefined);
  await until("the others are refused", () => refused >= bombs.length - 9);
  const others = await send(empty, IS_LONG ? 100 : 30);
  others.push(...(await send(binary(Buffer.alloc(60_000), { fin: false }), 30)));
  const last = await open(t, "/", server);
  last.send(text("heard"));
  assert.match((await last.hear(1)).join(), / 5$/);
  assert.equal((await getOnce(server, "/")).text, String(worker.pid));
  const workerMib = (readAnonymousMemory(worker.pid) - idle) / MIB;
  const frontMib = readAnonymousMemory(server.pid) / MIB;
  writeFileSync(join(gate, "read.go"), "");
  for (const client of [...bombs, ...others, last]) client.destroy();
  t.diagnostic(`worker ${Math.round(workerMib)} MiB more, front ${Math.round(frontMib)} MiB`);
  // A window of each client. The front has a message twice while its pieces are joined.
  assert.ok(workerMib < 60, `${workerMib} MiB`);
  assert.ok(frontMib < 450, `${frontMib} MiB`);
});
