// Applications that let gevent or eventlet replace the standard library's waiting when they are imported: the
// worker goes on with the kernel's threads, and requests of one worker still run side by side.

import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test, type TestContext } from "node:test";

import { WebSocket } from "ws";

import { within } from "../support/deadline.ts";
import { askOnce, getOnce, RawClient } from "../support/raw-client.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";

const GEVENT = ["gevent", "gevent:select", "gevent:thread"];

async function start(t: TestContext, green: string): Promise<Typhon> {
  const options = { env: { GREEN: green } };
  return await startTyphon(t, ["green:app", "--workers", "1", "--threads", "4"], options);
}

/** Pages, a body, a stream, a thread of the application's own. */
async function answersAll(typhon: Typhon): Promise<void> {
  const client = await RawClient.connect(typhon);
  assert.match((await client.get("/")).text, /^(?:gevent|eventlet) \d+$/);
  assert.equal((await client.get("/thread")).text, "ran");
  const body = "\x01".repeat(70_000);
  const head = `POST /sum HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`;
  assert.equal((await askOnce(typhon, head + body)).text, String(body.length));
  assert.equal((await client.get("/stream")).text.length, 64 * 65_536);
  client.destroy();
}

async function reloads(typhon: Typhon): Promise<void> {
  const before = (await getOnce(typhon, "/")).text;
  typhon.signal("SIGHUP");
  await typhon.output.waitFor(/new code serves/);
  assert.notEqual((await getOnce(typhon, "/")).text, before);
}

describe("an application patched by", { concurrency: 2 }, () => {
  for (const green of GEVENT) {
    test(`${green} is served by several threads, reloaded and stopped`, async (t) => {
      const typhon = await start(t, green);
      await answersAll(typhon);
      const [first, second] = [await RawClient.connect(typhon), await RawClient.connect(typhon)];
      const waiting = first.get("/wait");
      assert.equal((await second.get("/wake")).text, "waking");
      assert.equal((await waiting).text, "woken");
      first.destroy();
      second.destroy();
      await reloads(typhon);
      assert.doesNotMatch(typhon.output.all, /Traceback|ERROR|WARN/);
    });
  }

  test("gevent talks over a WebSocket, and its thread serves greenlets meanwhile", async (t) => {
    const typhon = await start(t, "gevent");
    const socket = new WebSocket(`${typhon.url.replace("http", "ws")}/echo`);
    await once(socket, "open");
    for (const text of ["first", "second"]) {
      const answer = once(socket, "message");
      socket.send(text);
      assert.deepEqual(String((await within(20_000, answer, "the echo"))[0]), text);
    }
    const closed = once(socket, "close");
    socket.close();
    await within(20_000, closed, "the close");
  });

  test("eventlet is served by one thread a worker, and the log says why", async (t) => {
    const typhon = await start(t, "eventlet");
    await typhon.output.waitFor(/eventlet has replaced .* one request at a time instead of 4/);
    await answersAll(typhon);
    await reloads(typhon);
    assert.doesNotMatch(typhon.output.all, /Traceback|ERROR/);
  });
});
