// FastAPI, Starlette, Litestar, Quart and Django's ASGI side, as their own tutorials use them.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";

import { until } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { readRecord } from "../support/json.ts";
import { askOnce, getOnce, RawClient } from "../support/raw-client.ts";
import { APPS, makeScratch } from "../support/scratch.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";

describe("FastAPI", () => {
  let typhon: Typhon;
  let folder: string;

  before(async () => {
    folder = makeScratch(FILE);
    typhon = await startTyphon(FILE, ["asgi_fastapi:app", "--workers", "2"], {
      env: { GATE_DIR: folder },
    });
  });

  const post = (path: string, type: string, body: string | Buffer): Promise<{ text: string }> =>
    askOnce(
      typhon,
      Buffer.concat([
        Buffer.from(
          `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`,
        ),
        Buffer.from(body),
      ]),
    );

  test("answers JSON, from a coroutine and from its thread pool", async () => {
    assert.deepEqual(readRecord((await getOnce(typhon, "/")).text), { hello: "world" });
    assert.deepEqual(readRecord((await getOnce(typhon, "/blocking")).text), { thread: "pool" });
  });

  test("checks what is posted", async () => {
    const good = await post("/items/3", "application/json", '{"name":"a","price":1.5}');
    assert.deepEqual(readRecord(good.text), { number: 3, name: "a", total: 4.5, tags: [] });
    const bad = await post("/items/3", "application/json", '{"name":"a"}');
    assert.match(bad.text, /Field required/);
  });

  test("takes an upload of 10 MB", async () => {
    const content = randomBytes(10_000_000);
    const body = Buffer.concat([
      Buffer.from(
        '--b\r\nContent-Disposition: form-data; name="file"; filename="x.bin"\r\nContent-Type: application/octet-stream\r\n\r\n',
      ),
      content,
      Buffer.from("\r\n--b--\r\n"),
    ]);
    const answer = await post("/upload", "multipart/form-data; boundary=b", body);
    assert.deepEqual(readRecord(answer.text), { name: "x.bin", size: content.length });
  });

  test("has the state of its lifespan, streams, and works on after its answer", async () => {
    assert.deepEqual(readRecord((await getOnce(typhon, "/state")).text), { database: "open" });
    assert.equal((await getOnce(typhon, "/stream")).text, "0\n1\n2\n3\n4\n");
    await post("/later", "application/json", "");
    await until("the background task has run", () => existsSync(join(folder, "later")));
  });

  test("sends events until the client leaves", async () => {
    const client = await RawClient.connect(typhon);
    client.write("GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
    assert.equal((await client.readHead()).status, 200);
    for (let count = 1; count <= 3; count += 1)
      assert.equal(String(await client.readChunk()), `id: ${count}\ndata: tick ${count}\n\n`);
    client.socket.resetAndDestroy();
    await until("the stream was closed", () => existsSync(join(folder, "events.closed")));
  });
});

for (const [app, expected] of [
  ["starlette_app", "hello a b"],
  ["litestar_app", '{"hello":"a b"}'],
  ["quart_app", '{"hello":"a b"}\n'],
] as const)
  test(`serves asgi_more:${app}`, async (t) => {
    const typhon = await startTyphon(t, [`asgi_more:${app}`, "--workers", "1"]);
    assert.equal((await getOnce(typhon, "/?name=a%20b")).text, expected);
  });

test("serves Django by its ASGI side", async (t) => {
  const typhon = await startTyphon(
    t,
    ["shelf.asgi", "--workers", "1", "--app-dir", join(APPS, "shelf")],
    { env: { SHELF_FOLDER: makeScratch(t) } },
  );
  const answer = await askOnce(typhon, "GET /admin/login/ HTTP/1.1\r\nHost: localhost\r\n\r\n");
  assert.equal(answer.status, 200, typhon.output.all);
  assert.match(answer.text, /Django administration/);
});
