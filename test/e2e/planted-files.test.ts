// What another user or a cleaner may put in the place of a body's temporary file, while the request waits for a
// worker: the application never gets it, the request gets its response, and the server goes on.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { before, test } from "node:test";

import { until } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { Gate } from "../support/gate.ts";
import { RawClient, type RawResponse } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";

/** A body that is kept in a file. */
const BODY = Buffer.alloc(400_000, "b");
const SECRET = Buffer.alloc(BODY.length, "s");

let gate: Gate;
let temp: string;
let secret: string;

before(async () => {
  temp = makeScratch(FILE);
  secret = join(makeScratch(FILE), "secret");
  writeFileSync(secret, SECRET, { mode: 0o600 });
  gate = await Gate.start(FILE, ["--workers", "1", "--threads", "1", "--temp-dir", temp]);
});

function files(): string[] {
  return readdirSync(temp, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

let held = 0;

/** Sends a body while the worker is busy, lets `plant` change its file, and returns the response. */
async function sendAnd(plant: (path: string) => void): Promise<RawResponse> {
  held += 1;
  const name = `held${held}`;
  const { client: holder } = await gate.hold(name);
  const client = await RawClient.connect(gate.typhon);
  client.write(
    `POST /count HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${BODY.length}\r\n\r\n`,
  );
  client.write(BODY);
  const path = await until("the body is in its file", () =>
    files().find((file) => readFileSync(file).length === BODY.length),
  );
  plant(path);
  gate.release(name);
  const response = await client.readResponse("POST");
  await holder.readResponse();
  for (const one of [client, holder]) one.destroy();
  return response;
}

test("a body comes from its file, whose name is gone when the application runs", async () => {
  assert.equal((await sendAnd(() => undefined)).status, 200);
  await until("no file is left", () => files().length === 0);
});

for (const [what, plant] of [
  ["a link to a file of others", (path: string) => symlinkSync(secret, path)],
  ["another file, hard-linked", (path: string) => linkSync(secret, path)],
  ["a shorter file", (path: string) => writeFileSync(path, "short")],
  ["a folder", (path: string) => mkdirSync(path)],
  ["a FIFO", (path: string) => execFileSync("mkfifo", [path])],
  ["nothing", () => undefined],
] as const)
  test(`in the place of a body's file: ${what}`, async () => {
    const response = await sendAnd((path) => {
      rmSync(path);
      plant(path);
    });
    assert.equal(response.status, 500);
    assert.doesNotMatch(response.text, /ssss/);
    assert.deepEqual(readFileSync(secret), SECRET);
  });

test("in the place of the folder: a link to a folder with a file of the same name", async () => {
  const elsewhere = makeScratch(FILE);
  const response = await sendAnd((path) => {
    const folder = dirname(path);
    writeFileSync(join(elsewhere, basename(path)), SECRET);
    renameSync(folder, `${folder}-away`);
    symlinkSync(elsewhere, folder);
  });
  assert.equal(response.status, 500);
  assert.equal((await sendAnd(() => undefined)).status, 200);
});
