// Server-sent events and long polling: an endless response ends with its client, delays no other request,
// and is not waited for beyond --graceful-timeout when the server stops or reloads.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";

import { until } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { askOnce, fieldOf, getOnce, RawClient } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";
import { isWritten } from "../support/notes.ts";

const ARGS = ["asgi_events:app", "--workers", "1"];
let typhon: Typhon;
let folder: string;

before(async () => {
  folder = makeScratch(FILE);
  typhon = await startTyphon(FILE, ARGS, { env: { GATE_DIR: folder } });
});

async function openStream(server: Typhon, query: string): Promise<RawClient> {
  const client = await RawClient.connect(server);
  client.write(`GET /events?${query} HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n`);
  const head = await client.readHead();
  assert.equal(head.status, 200);
  assert.match(fieldOf(head, "content-type"), /^text\/event-stream/);
  // An application's `Connection` field is dropped, and the stream is sent all the same.
  assert.equal(head.fields.get("connection"), undefined);
  for (let number = 1; number <= 3; number += 1)
    assert.equal(String(await client.readChunk()), `id: ${number}\ndata: tick ${number}\n\n`);
  return client;
}

async function expectEnded(place: string, name: string): Promise<number> {
  const note = join(place, `${name}.ended`);
  await until(`${name} has ended`, () => isWritten(note));
  return Number(readFileSync(note, "utf8"));
}

for (const [how, leave] of [
  ["resets", (client: RawClient) => client.socket.resetAndDestroy()],
  ["closes", (client: RawClient) => client.destroy()],
] as const)
  test(`a stream ends in the application when its client ${how}`, async () => {
    const name = how.replaceAll(" ", "-");
    const client = await openStream(typhon, `name=${name}&interval=0.005`);
    leave(client);
    assert.ok((await expectEnded(folder, name)) >= 3);
    client.destroy();
  });

test("a stream goes on for a client that only ends its sending side, until it leaves", async () => {
  const client = await openStream(typhon, "name=half&interval=0.005");
  client.end();
  for (let number = 4; number <= 30; number += 1)
    assert.equal(String(await client.readChunk()), `id: ${number}\ndata: tick ${number}\n\n`);
  client.destroy();
  assert.ok((await expectEnded(folder, "half")) >= 30);
});

test("a stream whose client does not read ends when that client leaves", async () => {
  const client = await openStream(typhon, "name=unread");
  client.socket.pause();
  // Others are served meanwhile.
  assert.equal((await askOnce(typhon, publishing("nobody"))).text, "0");
  client.socket.resetAndDestroy();
  await expectEnded(folder, "unread");
});

test("a hundred streams hold nobody up, and all of them end", async () => {
  // Five hundred events a second: far less than a machine can do, since other tests run meanwhile.
  const clients = await Promise.all(
    Array.from({ length: 100 }, (_, at) => openStream(typhon, `name=many-${at}&interval=0.2`)),
  );
  assert.equal((await askOnce(typhon, publishing("nobody"))).text, "0");
  for (const client of clients) client.destroy();
  await Promise.all(clients.map((_, at) => expectEnded(folder, `many-${at}`)));
});

const publishing = (text: string): string =>
  `POST /publish HTTP/1.1\r\nHost: a\r\nContent-Length: ${text.length}\r\n\r\n${text}`;

test("long polling is answered when there is news, and ended when its client leaves", async () => {
  const waiting = join(folder, "poll.waiting");
  const answers = Array.from({ length: 3 }, () => getOnce(typhon, "/poll"));
  await until("three wait", () => existsSync(waiting) && readFileSync(waiting, "utf8") === "3");
  assert.equal((await askOnce(typhon, publishing("news"))).text, "3");
  assert.deepEqual(
    (await Promise.all(answers)).map(({ text }) => text),
    ["news", "news", "news"],
  );
  const client = await RawClient.connect(typhon);
  client.write("GET /poll HTTP/1.1\r\nHost: a\r\n\r\n");
  await until("one waits", () => readFileSync(waiting, "utf8") === "1");
  client.socket.resetAndDestroy();
  await until("it has left", () => existsSync(join(folder, "poll.left")));
  assert.equal((await askOnce(typhon, publishing("late"))).text, "0");
});

test("a stop waits for streams no longer than its grace, and cuts them so that it shows", async (t) => {
  const place = makeScratch(t);
  const ending = await startTyphon(t, [...ARGS, "--graceful-timeout", "1"], {
    env: { GATE_DIR: place },
  });
  const client = await openStream(ending, "name=stopped&interval=0.01");
  ending.signal("SIGTERM");
  await ending.exited;
  const rest = String(await client.readUntilCut());
  assert.ok(!rest.endsWith("0\r\n\r\n"), "the cut looks like an end");
  await ending.leavesNothing();
  client.destroy();
});

test("a reload does not wait for streams: new code serves while the old streams run on", async (t) => {
  const place = makeScratch(t);
  const again = await startTyphon(t, [...ARGS, "--graceful-timeout", "1"], {
    env: { GATE_DIR: place },
  });
  const [old] = again.workers();
  const client = await openStream(again, "name=reloaded&interval=0.01");
  const from = again.output.all.length;
  again.signal("SIGHUP");
  await again.output.waitFor(/new code serves/, from);
  assert.equal((await askOnce(again, publishing("nobody"))).text, "0");
  // The old worker ends with its grace, and its streams with it.
  await until(
    "the old worker has ended",
    () => !again.workers().some(({ pid }) => pid === old?.pid),
  );
  await client.readUntilCut();
  client.destroy();
  const next = await openStream(again, "name=next&interval=0.01");
  next.destroy();
  await expectEnded(place, "next");
});
