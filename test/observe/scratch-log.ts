// A log file of a test and what stands in it, for the tests of this folder.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";

import { Sink } from "../../src/observe/sink.ts";

/** A sink on a file in a scratch folder that goes away with the test file. */
export function scratchSink(): { sink: Sink; path: string; read: () => Promise<string> } {
  const folder = mkdtempSync(join(tmpdir(), "typhon-log-"));
  const path = join(folder, "test.log");
  const sink = new Sink(path);
  after(() => rmSync(folder, { recursive: true }));
  const read = async (): Promise<string> => {
    await sink.flush();
    return readFileSync(path, "utf8");
  };
  return { sink, path, read };
}
