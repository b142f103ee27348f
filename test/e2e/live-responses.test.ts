// WSGI streams: what is live waits for its client, so that pictures and events do not grow old; everything
// else is spooled, so that a slow client holds no worker. Fields of the connection that change nothing do no
// harm.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";

import { lapse, until } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { isWritten } from "../support/notes.ts";
import { fieldOf, RawClient } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";

/** Of 65,536 bytes: more than the kernel takes for a client that does not read. */
const PIECES = 512;
let typhon: Typhon;
let folder: string;

before(async () => {
  folder = makeScratch(FILE);
  typhon = await startTyphon(FILE, ["wsgi_live:app", "--workers", "1"], {
    env: { GATE_DIR: folder },
  });
});

const takenOf = (name: string): number => {
  const path = join(folder, `${name}.taken`);
  return isWritten(path) ? Number(readFileSync(path, "utf8")) : -1;
};
const has = (note: string): boolean => existsSync(join(folder, note));

async function stream(name: string, query: string, method = "GET"): Promise<RawClient> {
  const client = await RawClient.connect(typhon);
  client.write(`${method} /stream/${name}?count=${PIECES}&${query} HTTP/1.1\r\nHost: a\r\n\r\n`);
  return client;
}

for (const [name, query] of [
  ["accel", "X-Accel-Buffering=no"],
  ["events", "Content-Type=text/event-stream"],
  ["pictures", "Content-Type=multipart/x-mixed-replace;boundary=frame"],
] as const)
  test(`${query} makes the application feel a slow client`, async () => {
    const client = await stream(name, query);
    client.socket.pause();
    let last = -1;
    await until("it waits", async () => {
      const taken = takenOf(name);
      const stands = taken > 0 && taken === last;
      last = taken;
      await lapse(200);
      return stands;
    });
    assert.ok(last < PIECES / 2, `${last} pieces were taken`);
    client.socket.resume();
    const response = await client.readResponse();
    assert.equal(response.body.length, PIECES * 65_536);
    const [field = "", ...value] = query.split("=");
    assert.equal(fieldOf(response, field.toLowerCase()), value.join("="));
    client.destroy();
  });

test("any other response is spooled for a slow client", async () => {
  const client = await stream("usual", "Content-Type=video/mp4");
  client.socket.pause();
  await until("it is whole", () => has("usual.whole"));
  client.destroy();
});

test("a stream ends in the application when its client leaves", async () => {
  const client = await stream("left", "X-Accel-Buffering=no");
  client.socket.pause();
  await until("it runs", () => takenOf("left") > 0);
  client.socket.resetAndDestroy();
  await until("it has ended", () => has("left.ended"));
  assert.ok(!has("left.whole"));
});

test("Connection: keep-alive and Keep-Alive of a stream are not sent; close closes", async () => {
  const client = await stream("alive", "Connection=keep-alive&Keep-Alive=timeout%3D5");
  const { status, fields, body } = await client.readResponse();
  assert.deepEqual([status, body.length], [200, PIECES * 65_536]);
  assert.deepEqual([fields.get("connection"), fields.get("keep-alive")], [undefined, undefined]);
  client.write("GET /stream/closed?count=1&Connection=close HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.equal(fieldOf(await client.readResponse(), "connection"), "close");
  await client.readToEnd();
});

test("a HEAD of a stream is answered, and the next request of its connection", async () => {
  const client = await stream("head", "X-Accel-Buffering=no", "HEAD");
  assert.equal((await client.readResponse("HEAD")).status, 200);
  assert.equal((await client.get("/stream/next?count=1")).status, 200);
  client.destroy();
});
