// One queue that every free worker reads: no request waits behind a busy worker while another is free,
// whatever connection it came on. Shown by outcome: the requests wait for one another in the
// application, so they can only succeed if all of them run at the same time.

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { until } from "../support/deadline.ts";
import { getOnce, RawClient, type RawResponse } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";
import { isWritten } from "../support/notes.ts";

interface Gate {
  readonly typhon: Typhon;
  readonly folder: string;
}

async function startGate(context: TestContext, ...args: string[]): Promise<Gate> {
  const folder = makeScratch(context);
  const typhon = await startTyphon(context, ["gate:app", ...args], { env: { GATE_DIR: folder } });
  return { typhon, folder };
}

function meet(typhon: Typhon, group: string, count: number): Promise<RawResponse>[] {
  return Array.from({ length: count }, (_, id) =>
    getOnce(typhon, `/meet?group=${group}&n=${count}&id=${id}`),
  );
}

/** Sends a request that runs until it is let go; resolves when it runs. */
async function hold(gate: Gate, client: RawClient, name: string): Promise<number> {
  client.write(`GET /hold?name=${name} HTTP/1.1\r\nHost: a\r\n\r\n`);
  const note = join(gate.folder, `${name}.running`);
  await until(`${name} runs`, () => isWritten(note));
  return Number(readFileSync(note, "utf8"));
}

function letGo(gate: Gate, name: string): void {
  writeFileSync(join(gate.folder, `${name}.go`), "");
}

test("N idle workers begin N requests at once, again and again", async (t) => {
  const { typhon } = await startGate(t, "--workers", "4", "--threads", "1");
  for (let round = 0; round < 25; round += 1) {
    const answers = await Promise.all(meet(typhon, `round-${round}`, 4));
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200, 200],
    );
    assert.equal(new Set(answers.map(({ text }) => text)).size, 4, "four processes");
  }
});

test("N requests that come in one packet on N connections begin at once", async (t) => {
  const { typhon } = await startGate(t, "--workers", "4", "--threads", "1");
  const clients = await Promise.all(Array.from({ length: 4 }, () => RawClient.connect(typhon)));
  for (let round = 0; round < 10; round += 1) {
    for (const [id, client] of clients.entries())
      client.write(`GET /meet?group=p${round}&n=4&id=${id} HTTP/1.1\r\nHost: a\r\n\r\n`);
    const answers = await Promise.all(clients.map((client) => client.readResponse()));
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200, 200],
    );
  }
  for (const client of clients) client.destroy();
});

test("the threads of all workers together run as many requests as there are", async (t) => {
  const { typhon } = await startGate(t, "--workers", "2", "--threads", "4");
  const answers = await Promise.all(meet(typhon, "all", 8));
  assert(answers.every(({ status }) => status === 200));
  const perProcess = answers.map(({ text }) => text);
  for (const pid of new Set(perProcess))
    assert.equal(perProcess.filter((other) => other === pid).length, 4);
});

test("requests on a kept-alive connection never wait behind a busy worker", async (t) => {
  const gate = await startGate(t, "--workers", "2", "--threads", "1");
  const quick = await RawClient.connect(gate.typhon);
  // Both workers have answered on this connection, so it belongs to neither.
  const seen = new Set<string>();
  while (seen.size < 2) {
    const answers = await Promise.all(meet(gate.typhon, `warm-${seen.size}`, 2));
    for (const { text } of answers) seen.add(text);
    await quick.get("/quick");
  }
  const slow = await RawClient.connect(gate.typhon);
  const busy = await hold(gate, slow, "busy");
  for (let count = 0; count < 50; count += 1)
    assert.notEqual((await quick.get("/quick")).text, `quick ${busy}`);
  letGo(gate, "busy");
  assert.equal((await slow.readResponse()).text, `held busy ${busy}`);
  quick.destroy();
  slow.destroy();
});

test("requests that are pipelined are answered while another worker is busy", async (t) => {
  const gate = await startGate(t, "--workers", "2", "--threads", "1");
  const slow = await RawClient.connect(gate.typhon);
  await hold(gate, slow, "busy");
  const quick = await RawClient.connect(gate.typhon);
  quick.write("GET /quick HTTP/1.1\r\nHost: a\r\n\r\n".repeat(20));
  for (let count = 0; count < 20; count += 1)
    assert.match((await quick.readResponse()).text, /^quick/);
  letGo(gate, "busy");
  await slow.readResponse();
  quick.destroy();
  slow.destroy();
});

test("a connection that was opened before a worker was busy is not tied to it", async (t) => {
  const gate = await startGate(t, "--workers", "3", "--threads", "1");
  const idle = await Promise.all(Array.from({ length: 12 }, () => RawClient.connect(gate.typhon)));
  await Promise.all(idle.map((client) => client.get("/quick")));
  const slow = await Promise.all(Array.from({ length: 2 }, () => RawClient.connect(gate.typhon)));
  const busy = await Promise.all(slow.map((client, at) => hold(gate, client, `busy-${at}`)));
  const answers = await Promise.all(idle.map((client) => client.get("/quick")));
  for (const { text } of answers) assert(!busy.includes(Number(text.split(" ")[1])));
  for (const [at, client] of slow.entries()) {
    letGo(gate, `busy-${at}`);
    await client.readResponse();
  }
  for (const client of [...idle, ...slow]) client.destroy();
});

test("a second thread takes over when the first is busy", async (t) => {
  const gate = await startGate(t, "--workers", "1", "--threads", "2");
  const slow = await RawClient.connect(gate.typhon);
  const busy = await hold(gate, slow, "busy");
  for (let count = 0; count < 10; count += 1)
    assert.equal((await getOnce(gate.typhon, "/quick")).text, `quick ${busy}`);
  letGo(gate, "busy");
  await slow.readResponse();
  slow.destroy();
});

test("answers a full queue with 503 and Retry-After, and what waits in time", async (t) => {
  const gate = await startGate(
    t,
    "--workers",
    "1",
    "--threads",
    "1",
    "--queue",
    "5",
    "--queue-timeout",
    "60",
  );
  const slow = await RawClient.connect(gate.typhon);
  await hold(gate, slow, "busy");
  const clients = await Promise.all(
    Array.from({ length: 60 }, () => RawClient.connect(gate.typhon)),
  );
  const asked = clients.map((client) => client.get("/quick"));
  // Nobody can be served yet, so the first answers are refusals.
  assert.equal((await Promise.race(asked)).status, 503);
  letGo(gate, "busy");
  await slow.readResponse();
  const answers = await Promise.all(asked);
  const refused = answers.filter(({ status }) => status === 503);
  const served = answers.filter(({ status }) => status === 200);
  assert.equal(refused.length + served.length, 60);
  assert(refused.length > 0 && served.length >= 5, `${refused.length} refused`);
  for (const { fields } of refused) assert.match(fields.get("retry-after")?.[0] ?? "", /^\d+$/);
  for (const client of [...clients, slow]) client.destroy();
});

test("answers 503 to what waits too long, and never runs it", async (t) => {
  const gate = await startGate(t, "--workers", "1", "--threads", "1", "--queue-timeout", "0.3");
  const slow = await RawClient.connect(gate.typhon);
  await hold(gate, slow, "busy");
  const waiting = await RawClient.connect(gate.typhon);
  const answer = await waiting.get("/count?late");
  assert.equal(answer.status, 503);
  assert.match(answer.fields.get("retry-after")?.[0] ?? "", /^\d+$/);
  letGo(gate, "busy");
  await slow.readResponse();
  assert.match((await getOnce(gate.typhon, "/quick")).text, /^quick/);
  assert(!existsSync(join(gate.folder, "runs")), "a request was run after its 503");
  slow.destroy();
  waiting.destroy();
});

test("streams step by step: each chunk leaves before the next is made", async (t) => {
  const gate = await startGate(t, "--workers", "1");
  const client = await RawClient.connect(gate.typhon);
  client.write("GET /steps?name=s&n=4 HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.equal((await client.readHead()).status, 200);
  for (let step = 1; step <= 4; step += 1) {
    assert.equal(String(await client.readChunk()), `step ${step}\n`);
    writeFileSync(join(gate.folder, `s.${step}`), "");
  }
  assert.equal(await client.readChunk(), null);
  client.destroy();
});
