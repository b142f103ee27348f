// More requests than can be run: refusals come at once, from the front, and what can be run is run.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";

import { lapse, until } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { Gate } from "../support/gate.ts";
import { fieldOf, getOnce, RawClient } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";
import { startTyphon } from "../support/typhon.ts";

/** Several times the 250 ms after which a client that has closed its side is taken to read no response. */
const HALF_CLOSED_MS = 1000;

test("a request that could not be begun in time is refused at once, and health is answered", async (t) => {
  // 20 requests a second can be run; each may wait for a second.
  const one = ["--workers", "1", "--threads", "1"];
  const { typhon } = await Gate.start(t, [...one, "--queue-timeout", "1", "--health"]);
  const answered: Record<string, number> = {};
  const end = new AbortController();
  const ask = async (): Promise<void> => {
    const client = await RawClient.connect(typhon);
    while (!end.signal.aborted) {
      const answer = await client.get("/nap?ms=50");
      const code = /\((\w+)\)/.exec(answer.text)?.[1] ?? "";
      answered[`${answer.status}${code}`] = (answered[`${answer.status}${code}`] ?? 0) + 1;
      if (answer.status !== 503) continue;
      assert.notEqual(fieldOf(answer, "retry-after"), "");
      // Refused at once: without a pause a hundred clients would keep a core busy with asking.
      await lapse(20);
    }
    client.destroy();
  };
  const clients = Array.from({ length: 100 }, ask);
  await until("one is refused at once", () => (answered["503OVERLOADED"] ?? 0) > 0);
  assert.equal((await getOnce(typhon, "/livez")).text, "ok\n");
  assert.equal((await getOnce(typhon, "/readyz")).text, "ok\n");
  const earlier = answered["200"] ?? 0;
  await until("work goes on", () => (answered["200"] ?? 0) >= earlier + 20);
  end.abort();
  await Promise.all(clients);
  // As before.
  assert.equal((await getOnce(typhon, "/nap?ms=1")).status, 200);
});

test("is not ready while it stops", async (t) => {
  const gate = await Gate.start(t, ["--workers", "1", "--health"]);
  const { typhon } = gate;
  const running = await gate.hold("last");
  // Connected before the stop, asked after it.
  const probe = await RawClient.connect(typhon);
  typhon.signal("SIGTERM");
  await typhon.output.waitFor(/SIGTERM/);
  const answer = await probe.get("/readyz");
  assert.equal(answer.status, 503);
  assert.equal(fieldOf(answer, "connection"), "close");
  probe.destroy();
  gate.release("last");
  assert.equal((await running.client.readResponse()).status, 200);
  running.client.destroy();
  assert.deepEqual(await typhon.exited, { code: 0, signal: null });
});

describe("a client that leaves", () => {
  let gate: Gate;

  before(async () => {
    gate = await Gate.start(FILE, ["--workers", "1", "--threads", "1"]);
  });

  test("while its request waits in the pipe, by a reset: the request is not run", async () => {
    const first = await gate.hold("first");
    const second = await RawClient.connect(gate.typhon);
    second.write("GET /hold?name=second HTTP/1.1\r\nHost: a\r\n\r\n");
    // Behind it in the pipe: whoever gets its response knows that the second one's page is gone.
    await lapse(100);
    second.socket.resetAndDestroy();
    const third = await RawClient.connect(gate.typhon);
    third.write("GET /quick HTTP/1.1\r\nHost: a\r\n\r\n");
    await lapse(100);
    gate.release("first");
    assert.equal((await third.readResponse()).status, 200);
    assert(!gate.hasRun("second"));
    first.client.destroy();
    third.destroy();
  });

  test("while its request waits in the pipe, by closing its side: the request is not run", async () => {
    const first = await gate.hold("third");
    const second = await RawClient.connect(gate.typhon);
    second.write("GET /hold?name=fourth HTTP/1.1\r\nHost: a\r\n\r\n");
    second.socket.end();
    await lapse(HALF_CLOSED_MS);
    gate.release("third");
    assert.equal((await second.readResponse()).status, 503);
    assert(!gate.hasRun("fourth"));
    assert.equal((await first.client.readResponse()).status, 200);
    first.client.destroy();
    second.destroy();
  });

  test("while its request runs: the application is told", async () => {
    const { client } = await gate.hold("left", "/gone");
    client.socket.resetAndDestroy();
    await until("the application was told", () => existsSync(join(gate.folder, "left.gone")));
  });

  test("/livez belongs to the application without --health", async () => {
    assert.match((await getOnce(gate.typhon, "/livez")).text, /^quick/);
  });
});

test("a client of an ASGI application that closes its side while its request waits: it is not run", async (t) => {
  const folder = makeScratch(t);
  const one = ["--workers", "1", "--concurrency", "1"];
  const typhon = await startTyphon(t, ["asgi_raw:app", ...one], { env: { GATE_DIR: folder } });
  const gate = new Gate(typhon, folder);
  const first = await RawClient.connect(typhon);
  first.write("GET /hold?first HTTP/1.1\r\nHost: a\r\n\r\n");
  await until("the first runs", () => gate.hasRun("first"));
  const second = await RawClient.connect(typhon);
  second.write("GET /hold?second HTTP/1.1\r\nHost: a\r\n\r\n");
  second.socket.end();
  await lapse(HALF_CLOSED_MS);
  gate.release("first");
  assert.equal((await second.readResponse()).status, 503);
  assert(!gate.hasRun("second"));
  assert.equal((await first.readResponse()).status, 200);
  first.destroy();
  second.destroy();
});
