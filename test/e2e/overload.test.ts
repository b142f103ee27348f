// More requests than can be run: refusals come at once, from the front, and what can be run is run.

import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { lapse, until } from "../support/deadline.ts";
import { fieldOf, getOnce, RawClient } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";
import { startTyphon } from "../support/typhon.ts";

test("a request that could not be begun in time is refused at once, and health is answered", async (t) => {
  const typhon = await startTyphon(
    t,
    // 20 requests a second can be run; each may wait for a second.
    ["gate:app", "--workers", "1", "--threads", "1", "--queue-timeout", "1", "--health"],
    { env: { GATE_DIR: makeScratch(t) } },
  );
  const answered: Record<string, number> = {};
  const end = new AbortController();
  const ask = async (): Promise<void> => {
    while (!end.signal.aborted) {
      const answer = await getOnce(typhon, "/nap?ms=50");
      const code = /\((\w+)\)/.exec(answer.text)?.[1] ?? "";
      answered[`${answer.status}${code}`] = (answered[`${answer.status}${code}`] ?? 0) + 1;
      if (answer.status === 503) assert.notEqual(fieldOf(answer, "retry-after"), "");
    }
  };
  const clients = Array.from({ length: 100 }, ask);
  await until("somebody is refused at once", () => (answered["503OVERLOADED"] ?? 0) > 0);
  assert.equal((await getOnce(typhon, "/livez")).text, "ok\n");
  assert.equal((await getOnce(typhon, "/readyz")).text, "ok\n");
  const before = answered["200"] ?? 0;
  await until("work goes on", () => (answered["200"] ?? 0) >= before + 20);
  end.abort();
  await Promise.all(clients);
  // As before.
  assert.equal((await getOnce(typhon, "/nap?ms=1")).status, 200);
});

test("answers health itself only where it was asked to", async (t) => {
  const typhon = await startTyphon(t, ["gate:app", "--workers", "1"], {
    env: { GATE_DIR: makeScratch(t) },
  });
  assert.match((await getOnce(typhon, "/livez")).text, /^quick/);
});

test("is not ready while it stops", async (t) => {
  const folder = makeScratch(t);
  const typhon = await startTyphon(t, ["gate:app", "--workers", "1", "--health"], {
    env: { GATE_DIR: folder },
  });
  const running = await RawClient.connect(typhon);
  running.write("GET /hold?name=last HTTP/1.1\r\nHost: a\r\n\r\n");
  await until("it runs", () => existsSync(join(folder, "last.running")));
  // Connected before the stop, asked after it.
  const probe = await RawClient.connect(typhon);
  typhon.signal("SIGTERM");
  await typhon.output.waitFor(/SIGTERM/);
  const answer = await probe.get("/readyz");
  assert.equal(answer.status, 503);
  assert.equal(fieldOf(answer, "connection"), "close");
  writeFileSync(join(folder, "last.go"), "");
  assert.equal((await running.readResponse()).status, 200);
  assert.deepEqual(await typhon.exited, { code: 0, signal: null });
  running.destroy();
  probe.destroy();
});

test("what waits in the pipe is not run when its client has left", async (t) => {
  const folder = makeScratch(t);
  const typhon = await startTyphon(t, ["gate:app", "--workers", "1", "--threads", "1"], {
    env: { GATE_DIR: folder },
  });
  const first = await RawClient.connect(typhon);
  first.write("GET /hold?name=first HTTP/1.1\r\nHost: a\r\n\r\n");
  await until("the first runs", () => existsSync(join(folder, "first.running")));
  const second = await RawClient.connect(typhon);
  second.write("GET /hold?name=second HTTP/1.1\r\nHost: a\r\n\r\n");
  // Behind it in the pipe; whoever gets its answer knows that the second one's page is gone.
  await lapse(100);
  second.socket.resetAndDestroy();
  const third = await RawClient.connect(typhon);
  third.write("GET /quick HTTP/1.1\r\nHost: a\r\n\r\n");
  await lapse(100);
  writeFileSync(join(folder, "first.go"), "");
  assert.equal((await third.readResponse()).status, 200);
  assert(!existsSync(join(folder, "second.running")));
  first.destroy();
  third.destroy();
});

for (const app of ["gate:app", "asgi_raw:app"])
  test(`what waits in the pipe is not run when its client has closed its side for a while (${app})`, async (t) => {
    const folder = makeScratch(t);
    const typhon = await startTyphon(
      t,
      [app, "--workers", "1", "--threads", "1", "--concurrency", "1"],
      { env: { GATE_DIR: folder } },
    );
    const hold = (name: string): string =>
      app === "gate:app" ? `/hold?name=${name}` : `/hold?${name}`;
    const first = await RawClient.connect(typhon);
    first.write(`GET ${hold("first")} HTTP/1.1\r\nHost: a\r\n\r\n`);
    await until("the first runs", () => existsSync(join(folder, "first.running")));
    const second = await RawClient.connect(typhon);
    second.write(`GET ${hold("second")} HTTP/1.1\r\nHost: a\r\n\r\n`);
    second.socket.end();
    // Longer than the 250 ms after which nobody is believed to read the answer.
    await lapse(1500);
    writeFileSync(join(folder, "first.go"), "");
    assert.equal((await second.readResponse()).status, 503);
    assert(!existsSync(join(folder, "second.running")));
    assert.equal((await first.readResponse()).status, 200);
    first.destroy();
    second.destroy();
  });

test("tells a running application that its client has left", async (t) => {
  const folder = makeScratch(t);
  const typhon = await startTyphon(t, ["gate:app", "--workers", "1"], {
    env: { GATE_DIR: folder },
  });
  const client = await RawClient.connect(typhon);
  client.write("GET /gone?name=left HTTP/1.1\r\nHost: a\r\n\r\n");
  await until("it runs", () => existsSync(join(folder, "left.running")));
  client.socket.resetAndDestroy();
  await until("the application was told", () => existsSync(join(folder, "left.gone")));
});
