// --drain-delay: after the signal to stop /readyz fails at once and everything else goes on, for old connections
// and new ones, until the delay or a second signal ends it; then the usual stop begins.

import assert from "node:assert/strict";
import { test } from "node:test";

import { receiveDatagrams } from "../supervisor/datagrams.ts";
import { within } from "../support/deadline.ts";
import { Gate } from "../support/gate.ts";
import { getOnce, RawClient } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";
import { Http2Client } from "../support/secure-client.ts";
import { startTyphon } from "../support/typhon.ts";

const ENDED = { code: 0, signal: null };

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(`${signal} fails /readyz while old and new connections are served; a second one begins the stop`, async (t) => {
    const { address, output } = await receiveDatagrams(t);
    const gate = await Gate.start(
      t,
      ["--workers", "2", "--threads", "1", "--health", "--h2c", "--drain-delay", "3600"],
      { NOTIFY_SOCKET: address },
    );
    const { typhon } = gate;
    const kept = await RawClient.connect(typhon);
    assert.equal((await kept.get("/readyz")).status, 200);
    const http2 = await Http2Client.connectPlain(typhon.port);
    t.after(() => http2.destroy());
    assert.equal((await http2.ask("/quick")).status, 200);
    const running = await gate.hold("last");

    typhon.signal(signal);
    await typhon.output.waitFor(
      new RegExp(`${signal}: serving on for 3600 s, and /readyz responds with 503`),
    );
    assert.equal((await kept.get("/readyz")).status, 503);
    assert.equal((await kept.get("/livez")).status, 200);
    const quick = await kept.get("/quick");
    assert.equal(quick.status, 200);
    assert.equal(quick.fields.get("connection"), undefined);
    assert.equal((await http2.ask("/quick")).status, 200);
    assert.equal((await http2.ask("/readyz")).status, 503);
    assert.equal((await getOnce(typhon, "/quick")).status, 200);
    await output.waitFor(/^STOPPING=1 EXTEND_TIMEOUT_USEC=3628000000 STATUS=not ready any more/m);

    typhon.signal(signal);
    await typhon.output.waitFor(/finishing what runs/);
    assert.equal((await kept.readToEnd()).length, 0);
    assert(!typhon.hasExited, "it ended while a request was running");
    gate.release("last");
    assert.match((await running.client.readResponse()).text, /^held last/);
    running.client.destroy();
    assert.deepEqual(await within(20_000, typhon.exited, "the server ends"), ENDED);
    await output.waitFor(/^STOPPING=1 STATUS=finishing running requests/m);
    await typhon.leavesNothing();
  });
}

test("the stop follows the delay by itself, also for a site of files without --health", async (t) => {
  const folder = makeScratch(t);
  const args = [folder, "--bind", "127.0.0.1:0", "--drain-delay", "0.2"];
  const typhon = await startTyphon(t, args, { defaults: false });
  typhon.signal("SIGTERM");
  const exit = await within(20_000, typhon.exited, "the server ends");
  assert.deepEqual(exit, ENDED);
  assert.match(typhon.output.all, /serving on for 0\.2 s {2}signal[^]*finishing what runs/);
});

test("a site of files is not ready any more either", async (t) => {
  const args = [makeScratch(t), "--bind", "127.0.0.1:0", "--health", "--drain-delay", "3600"];
  const typhon = await startTyphon(t, args, { defaults: false });
  assert.equal((await getOnce(typhon, "/readyz")).status, 200);
  typhon.signal("SIGTERM");
  await typhon.output.waitFor(/serving on/);
  assert.equal((await getOnce(typhon, "/readyz")).status, 503);
  typhon.signal("SIGTERM");
  assert.deepEqual(await within(20_000, typhon.exited, "the server ends"), ENDED);
});

test("a third signal ends everything at once", async (t) => {
  const gate = await Gate.start(t, ["--workers", "1", "--drain-delay", "3600"]);
  const { typhon } = gate;
  const { client } = await gate.hold("forever");
  typhon.signal("SIGTERM");
  await typhon.output.waitFor(/serving on/);
  typhon.signal("SIGTERM");
  await typhon.output.waitFor(/finishing what runs/);
  typhon.signal("SIGTERM");
  const exit = await within(20_000, typhon.exited, "the server ends");
  assert.deepEqual(exit, { code: 143, signal: null });
  await typhon.leavesNothing();
  client.destroy();
});
