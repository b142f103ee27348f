// --env-file of the real command: variables for the application, options for the server. Here the options are
// the limits of a request's head, so that both interfaces are seen with the largest heads.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";

import { FILE } from "../support/file-scope.ts";
import { RawClient } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";

const APPLICATIONS = `
import os

def told(path, query, fields):
    return f"{os.environ['FROM_FILE']} {len(path)} {len(query)} {sum(map(len, fields))}".encode()

def wsgi(environ, start_response):
    fields = [value for name, value in environ.items() if name == "HTTP_X_A"]
    body = told(environ["PATH_INFO"], environ["QUERY_STRING"], fields)
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]

async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    fields = [value for name, value in scope["headers"] if name == b"x-a"]
    body = told(scope["path"], scope["query_string"], fields)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
`;

let servers: readonly Typhon[] = [];
before(async () => {
  const folder = makeScratch(FILE);
  writeFileSync(join(folder, "told.py"), APPLICATIONS);
  writeFileSync(
    join(folder, "test.env"),
    "TYPHON_LIMIT_REQUEST_LINE=128k\nTYPHON_LIMIT_REQUEST_HEAD=256k\nTYPHON_WORKERS=1\nFROM_FILE='a b'\n",
  );
  const args = ["--app-dir", folder, "--env-file", join(folder, "test.env")];
  servers = await Promise.all(
    ["told:wsgi", "told:asgi"].map((app) => startTyphon(FILE, [app, ...args])),
  );
});

test("the application gets its variables, and heads up to the limits of the file", async () => {
  const [path, query, field] = ["/".padEnd(60_000, "p"), "q".repeat(60_000), "v".repeat(120_000)];
  for (const typhon of servers) {
    const client = await RawClient.connect(typhon);
    const response = await client.get(`${path}?${query}`, `X-A: ${field}\r\n`);
    assert.deepEqual([response.status, response.text], [200, "a b 60000 60000 120000"]);
    assert.equal((await client.get("/")).text, "a b 1 0 0");
    client.destroy();
  }
});

test("a longer request line is 414, a larger head 431", async () => {
  for (const typhon of servers)
    for (const [target, field, status] of [
      ["/".padEnd(131_072, "p"), "", 414],
      ["/", "v".repeat(262_144), 431],
    ] as const) {
      const client = await RawClient.connect(typhon);
      assert.equal((await client.get(target, `X-A: ${field}\r\n`)).status, status);
      client.destroy();
    }
});
