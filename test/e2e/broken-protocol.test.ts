// A worker that sends what no worker may send ends, and only that worker: the log says what was wrong, its
// requests get a response at once, the front goes on, and a new worker takes its place.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { until } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { IS_LONG } from "../support/long.ts";
import { getOnce, RawClient } from "../support/raw-client.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";

/** So many that one is left for each page, however slowly the others are replaced. */
const WORKERS = 8;
/** Workers that the random test is to see the end of, and requests that run at once. */
const RANDOM_ENDS = IS_LONG ? 120 : 16;
const AT_ONCE = 16;
/** A request that is not run again. */
const REST = "HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";

describe("WSGI", () => {
  let typhon: Typhon;

  before(async () => {
    const args = ["vandal:app", "--workers", String(WORKERS), "--threads", "1"];
    typhon = await startTyphon(FILE, args);
  });

  for (const [page, reason] of [
    // The first: the frame names request 1.
    ["/headless", "broke the protocol: a HEAD frame without a head"],
    ["/garbage", "broke the protocol: a frame of type 255"],
    ["/huge", "broke the protocol: a frame of type 17 and 4294967295 bytes"],
    ["/unknown", "broke the protocol: a frame of type 127"],
    // This one ends its process by itself: its end may be known before its last bytes have been read.
    ["/half", "broke the protocol: the channel ended inside a frame|ended with exit code 1"],
    // The frames of the response follow the stray bytes, and are misread.
    ["/stray", "broke the protocol: a frame of type 0"],
    ["/strays", "broke the protocol: a frame of type 0"],
    ["/long-fetch", "broke the protocol: a frame of type 20 and 100000 bytes"],
    ["/short-credit", "broke the protocol: an INPUT_CREDIT frame of another length"],
    ["/odd-ready", "broke the protocol: a READY frame of a worker that is ready"],
    ["/second-ready", "broke the protocol: a READY frame of a worker that is ready"],
    ["/odd-failure", "broke the protocol: a FAILED frame of a worker that is ready"],
    ["/stopped", "broke the protocol: a STOPPED frame of a worker that takes"],
    ["/no-request", "broke the protocol: a frame about request 1125899906842624, which is none"],
    ["/taken", "broke the protocol: a TAKEN frame of another length"],
  ] as const) {
    test(`a worker that breaks the protocol (${page}) ends, and the front serves on`, async () => {
      const from = typhon.output.all.length;
      await until("all workers", () => typhon.workers().length === WORKERS);
      const earlier = typhon.workers().map(({ pid }) => pid);
      assert.equal((await getOnce(typhon, page)).status, 502);
      const fault = new RegExp(`ERROR worker \\d+:? (?:${reason}) `);
      await typhon.output.waitFor(fault, from);
      let gone: number[] = [];
      await until("one worker has gone", () => {
        const now = new Set(typhon.workers().map(({ pid }) => pid));
        gone = earlier.filter((pid) => !now.has(pid));
        return gone.length >= 1;
      });
      assert.equal(gone.length, 1, "no other worker has gone");
      for (let count = 0; count < 4; count += 1)
        assert.equal((await getOnce(typhon, "/")).status, 200);
    });
  }
});

test("a stray byte on a silent channel ends the worker, and its requests get 502", async (t) => {
  const typhon = await startTyphon(t, ["vandal:app", "--workers", "1", "--threads", "16"]);
  const clients = await Promise.all(
    Array.from({ length: 14 }, async () => await RawClient.connect(typhon)),
  );
  for (const client of clients) client.write(`POST /wait ${REST}`);
  const stray = await RawClient.connect(typhon);
  stray.write(`POST /wait-stray ${REST}`);
  // A fence that wakes a sleeping thread may bring more bytes before the time for the rest of a frame is over.
  await typhon.output.waitFor(
    /broke the protocol: (?:a frame was begun and not ended|a frame of type)/,
  );
  for (const client of [...clients, stray]) {
    assert.equal((await client.readResponse()).status, 502);
    client.destroy();
  }
  assert.equal((await getOnce(typhon, "/")).status, 200);
});

for (const [name, more] of [
  ["app", ["--threads", "4"]],
  ["asgi_app", []],
] as const)
  test(`whatever a worker sends, each request gets a response (random, vandal:${name})`, async (t) => {
    const args = [`vandal:${name}`, "--workers", String(WORKERS), "--timeout", "3", ...more];
    const typhon = await startTyphon(t, args);
    const seed = `${Date.now()}`;
    t.diagnostic(`seed ${seed}`);
    const statuses = new Map<number, number>();
    let next = 0;
    const countEnds = (): number =>
      typhon.output.all.split(/worker \d+ ended (?:by|with)/).length - 1;
    const ask = async (): Promise<void> => {
      while (countEnds() < RANDOM_ENDS) {
        next += 1;
        const page = next % 8 === 0 ? `/random?${seed}.${next}` : "/";
        const client = await RawClient.connect(typhon);
        client.write(`GET ${page} HTTP/1.1\r\nHost: a\r\n\r\n`);
        const { status } = await client.readHead();
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        client.destroy();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, ask));
    t.diagnostic(`${next} requests, ${countEnds()} ends; ${JSON.stringify([...statuses])}`);
    // Where workers end fast enough for a crash loop, the next one starts after a pause.
    const isWell = async (): Promise<boolean> => (await getOnce(typhon, "/")).status === 200;
    await until("the server is well again", isWell, 60_000);
    assert(!typhon.hasExited);
    assert.doesNotMatch(typhon.output.all, /a fault of Typhon/);
  });
