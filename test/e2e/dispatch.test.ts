// One queue that every free worker reads: no request waits behind a busy worker while another is free,
// whatever connection it came on. Shown by outcome: the requests wait for one another in the
// application, so they can only succeed if all of them run at the same time.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";

import { FILE } from "../support/file-scope.ts";
import { Gate } from "../support/gate.ts";
import { getOnce, RawClient, type RawResponse } from "../support/raw-client.ts";

function meet({ typhon }: Gate, group: string, count: number): Promise<RawResponse>[] {
  return Array.from({ length: count }, (_, id) =>
    getOnce(typhon, `/meet?group=${group}&n=${count}&id=${id}`),
  );
}

describe("four workers with a thread each", () => {
  let gate: Gate;

  before(async () => {
    gate = await Gate.start(FILE, ["--workers", "4", "--threads", "1"]);
  });

  /** Keeps three of the workers busy while `work` is done; gives it their processes. */
  async function whileBusy(
    group: string,
    work: (busy: readonly number[]) => Promise<void>,
  ): Promise<void> {
    const names = [1, 2, 3].map((at) => `${group}-${at}`);
    const held = await Promise.all(names.map((name) => gate.hold(name)));
    await work(held.map(({ pid }) => pid));
    for (const { name, client, pid } of held) {
      gate.release(name);
      assert.equal((await client.readResponse()).text, `held ${name} ${pid}`);
      client.destroy();
    }
  }

  test("begin four requests at once, again and again", async () => {
    for (let round = 0; round < 25; round += 1) {
      const answers = await Promise.all(meet(gate, `round-${round}`, 4));
      assert.deepEqual(
        answers.map(({ status }) => status),
        [200, 200, 200, 200],
      );
      assert.equal(new Set(answers.map(({ text }) => text)).size, 4, "four processes");
    }
  });

  test("begin at once four requests that come in one packet on four connections", async () => {
    const clients = await Promise.all(
      Array.from({ length: 4 }, () => RawClient.connect(gate.typhon)),
    );
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

  test("never let requests on a kept-alive connection wait behind a busy worker", async () => {
    const quick = await RawClient.connect(gate.typhon);
    for (let count = 0; count < 10; count += 1) await quick.get("/quick");
    await whileBusy("kept", async (busy) => {
      for (let count = 0; count < 50; count += 1)
        assert(!busy.includes(Number((await quick.get("/quick")).text.split(" ")[1])));
    });
    quick.destroy();
  });

  test("answer pipelined requests while the others are busy", async () => {
    await whileBusy("piped", async () => {
      const quick = await RawClient.connect(gate.typhon);
      quick.write("GET /quick HTTP/1.1\r\nHost: a\r\n\r\n".repeat(20));
      for (let count = 0; count < 20; count += 1)
        assert.match((await quick.readResponse()).text, /^quick/);
      quick.destroy();
    });
  });

  test("are not tied to connections that were opened before some of them were busy", async () => {
    const idle = await Promise.all(
      Array.from({ length: 12 }, () => RawClient.connect(gate.typhon)),
    );
    await Promise.all(idle.map((client) => client.get("/quick")));
    await whileBusy("idle", async (busy) => {
      const answers = await Promise.all(idle.map((client) => client.get("/quick")));
      for (const { text } of answers) assert(!busy.includes(Number(text.split(" ")[1])));
    });
    for (const client of idle) client.destroy();
  });
});

test("the threads of all workers together run as many requests as there are", async (t) => {
  const gate = await Gate.start(t, ["--workers", "2", "--threads", "4"]);
  const answers = await Promise.all(meet(gate, "all", 8));
  assert(answers.every(({ status }) => status === 200));
  const perProcess = answers.map(({ text }) => text);
  for (const pid of new Set(perProcess))
    assert.equal(perProcess.filter((other) => other === pid).length, 4);
});

test("a second thread takes over when the first is busy, and streams step by step", async (t) => {
  const gate = await Gate.start(t, ["--workers", "1", "--threads", "2"]);
  const busy = await gate.hold("busy");
  for (let count = 0; count < 10; count += 1)
    assert.equal((await getOnce(gate.typhon, "/quick")).text, `quick ${busy.pid}`);
  // Each chunk leaves before the next is made.
  const client = await RawClient.connect(gate.typhon);
  client.write("GET /steps?name=s&n=4 HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.equal((await client.readHead()).status, 200);
  for (let step = 1; step <= 4; step += 1) {
    assert.equal(String(await client.readChunk()), `step ${step}\n`);
    gate.step("s", step);
  }
  assert.equal(await client.readChunk(), null);
  client.destroy();
  gate.release("busy");
  await busy.client.readResponse();
  busy.client.destroy();
});

test("answers a full queue with 503 and Retry-After, and what waits in time", async (t) => {
  const one = ["--workers", "1", "--threads", "1"];
  const gate = await Gate.start(t, [...one, "--queue", "5", "--queue-timeout", "60"]);
  const busy = await gate.hold("busy");
  const clients = await Promise.all(
    Array.from({ length: 60 }, () => RawClient.connect(gate.typhon)),
  );
  const asked = clients.map((client) => client.get("/quick"));
  // None can be served yet, so the first answers are refusals.
  assert.equal((await Promise.race(asked)).status, 503);
  gate.release("busy");
  await busy.client.readResponse();
  const answers = await Promise.all(asked);
  const refused = answers.filter(({ status }) => status === 503);
  const served = answers.filter(({ status }) => status === 200);
  assert.equal(refused.length + served.length, 60);
  assert(refused.length > 0 && served.length >= 5, `${refused.length} refused`);
  for (const { fields } of refused) assert.match(fields.get("retry-after")?.[0] ?? "", /^\d+$/);
  for (const client of [...clients, busy.client]) client.destroy();
});

test("answers 503 to what waits too long, and never runs it", async (t) => {
  const gate = await Gate.start(t, ["--workers", "1", "--threads", "1", "--queue-timeout", "0.3"]);
  const busy = await gate.hold("busy");
  const waiting = await RawClient.connect(gate.typhon);
  const answer = await waiting.get("/count?late");
  assert.equal(answer.status, 503);
  assert.match(answer.fields.get("retry-after")?.[0] ?? "", /^\d+$/);
  gate.release("busy");
  await busy.client.readResponse();
  assert.match((await getOnce(gate.typhon, "/quick")).text, /^quick/);
  assert(!existsSync(join(gate.folder, "runs")), "a request was run after its 503");
  busy.client.destroy();
  waiting.destroy();
});
