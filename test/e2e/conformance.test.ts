// Every case of test/vectors/http1.json against the real command: what the client gets and what a WSGI
// application finds in its environ. The modes of sending differ in the front alone, which
// test/conformance/http1-cases.test.ts shows for each: here every mode has a part of the cases, unless
// TEST_LONG=1 is set.

import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";

import {
  MODES,
  readCases,
  runCase,
  type CaseServer,
  type SeenRequest,
} from "../support/http1-cases.ts";
import { FILE } from "../support/file-scope.ts";
import { readRecord } from "../support/json.ts";
import { IS_LONG } from "../support/long.ts";
import { RawClient } from "../support/raw-client.ts";
import { makeScratch } from "../support/scratch.ts";
import { startTyphon } from "../support/typhon.ts";

/** Cases under way at the same time: those that wait do so together. */
const CONCURRENCY = 24;

let server: CaseServer;

before(async () => {
  const folder = makeScratch(FILE);
  const typhon = await startTyphon(FILE, ["recorder:app", "--workers", "2"], {
    env: { RECORDER_DIR: folder },
  });
  server = {
    connect: () => RawClient.connect(typhon),
    seen: (clientPort) => {
      const path = join(folder, String(clientPort));
      if (!existsSync(path)) return [];
      const notes = readFileSync(path, "utf8").trimEnd().split("\n");
      // The kernel may give the port to a later connection.
      rmSync(path);
      return notes.map(readNote);
    },
  };
});

function readNote(line: string): SeenRequest {
  const note = readRecord(line);
  const text = (name: string): string => {
    const value = note[name] ?? "";
    assert(typeof value === "string");
    return value;
  };
  const headers = new Map<string, string>();
  const environ = new Map<string, string>();
  for (const [name, value] of Object.entries(note)) {
    if (!/^(?:HTTP_.*|CONTENT_TYPE|CONTENT_LENGTH)$/.test(name)) continue;
    environ.set(name, String(value));
    headers.set(
      name
        .replace(/^HTTP_/, "")
        .toLowerCase()
        .replaceAll("_", "-"),
      String(value),
    );
  }
  return {
    method: text("REQUEST_METHOD"),
    path: text("PATH_INFO"),
    rawPath: text("RAW_URI")
      .replace(/^\w+:\/\/[^/?]*/, "")
      .replace(/\?.*$/s, ""),
    query: text("QUERY_STRING"),
    body: text("body"),
    headers,
    environ,
  };
}

for (const [at, mode] of MODES.entries()) {
  test(`cases come out right through a worker, ${mode}`, async () => {
    const cases = readCases();
    assert(cases.length > 200, "the cases are there");
    const rest = IS_LONG ? [...cases] : cases.filter((_, index) => index % MODES.length === at);
    const failures: string[] = [];
    const runner = async (): Promise<void> => {
      for (let one = rest.shift(); one !== undefined; one = rest.shift()) {
        try {
          await runCase(server, one, mode);
        } catch (error) {
          failures.push(`${one.id}: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, runner));
    assert.deepEqual(failures, []);
  });
}
