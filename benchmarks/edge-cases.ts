// The pages of the suite "edge": static files, and a response of an application that is compressed on its
// way. The files are made once, below benchmarks/.cache.

import { existsSync, mkdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import type { Case, Goal } from "./cases.ts";
import { ask } from "./client.ts";
import { FILES_FOLDER } from "./places.ts";
import type { Load } from "./throughput.ts";
import { runWrk, type WrkOutcome } from "./wrk.ts";

/** A page with its own fields, connections and number of files. */
export interface EdgeCase extends Case {
  readonly connections: number;
  /** Of each request. */
  readonly fields: Readonly<Record<string, string>>;
  /** 304: requests carry the validators that the server has sent for the file, as a browser does. */
  readonly status: 200 | 304;
  /** Of a run, at least. */
  readonly minSeconds: number;
  /** Requests go round so many files, `many/00/00.html` and so on; 1: `path` alone. */
  readonly files: number;
}

const FOLDERS = 100;
const FILES_EACH = 100;
const MODIFIED = new Date("2026-01-02T03:04:05Z");

const KILOBYTE = "<p>0123456789ab\n".repeat(64);
const TAGS = ["blue", "orange", "green"];
/** cases/raw.py makes the same text. */
const ROWS = JSON.stringify(
  Array.from({ length: 150 }, (_, n) => ({
    id: n,
    name: `item ${(n * 7919) % 10_007}`,
    price: (n * 104_729) % 99_991,
    tags: TAGS.slice(n % 3),
  })),
);

/** A run ends within responses: of such sizes their parts count as parts of a request. */
const LARGE_BYTES = 10_000_000;

/** Every page has goals for the same families in the same order. */
function goals(ofNginx: number): readonly Goal[] {
  return [
    { family: "nginx", share: ofNginx },
    { family: "granian", share: 0.5 },
  ];
}

function file(
  name: string,
  title: string,
  path: string,
  more: Pick<EdgeCase, "expectedBody"> & Partial<EdgeCase>,
): EdgeCase {
  return {
    name,
    title,
    wsgi: "raw:app",
    asgi: "raw_asgi:app",
    path,
    postBytes: 0,
    connections: 64,
    fields: {},
    status: 200,
    minSeconds: 1,
    files: 1,
    goals: goals(1),
    ...more,
  };
}

/** In the order in which they are measured and shown. */
export const EDGE_CASES: readonly EdgeCase[] = [
  file("static-1k", "file of 1 KB", "/static/1k.html", { expectedBody: KILOBYTE }),
  file("static-100k", "file of 100 KB", "/static/100k.html", {
    expectedBody: KILOBYTE.repeat(100),
    goals: goals(1.3),
  }),
  file("static-100m", "file of 100 MB", "/static/100m.bin", {
    // A rope of one page: made flat only while it is compared.
    expectedBody: KILOBYTE.repeat(102_400),
    connections: 8,
    minSeconds: 5,
    goals: goals(2.5),
  }),
  file("static-304", "304 for a file of 1 KB", "/static/1k.html", {
    expectedBody: KILOBYTE,
    status: 304,
  }),
  file("static-10000", "10,000 files of 1 KB", "/static/many/00/00.html", {
    expectedBody: KILOBYTE,
    files: FOLDERS * FILES_EACH,
  }),
  file("json-gzip", "JSON of 10 KB, gzip", "/rows", {
    expectedBody: ROWS,
    fields: { "accept-encoding": "gzip" },
    goals: [],
  }),
];

/** Of a comparison of two checkouts of Typhon. */
export const COMPARED_FILES: readonly EdgeCase[] = EDGE_CASES.filter(({ path }) =>
  path.startsWith("/static/"),
);

/** Makes the files of all pages unless they are there. */
export function makeFiles(): void {
  // Written last: without it the files were not finished.
  const finished = join(FILES_FOLDER, ".finished");
  if (existsSync(finished)) return;
  rmSync(FILES_FOLDER, { recursive: true, force: true });
  const write = (name: string, text: string): void => {
    const path = join(FILES_FOLDER, name);
    writeFileSync(path, text);
    utimesSync(path, MODIFIED, MODIFIED);
  };
  for (let folder = 0; folder < FOLDERS; folder += 1) {
    mkdirSync(join(FILES_FOLDER, "many", twoDigits(folder)), { recursive: true });
    for (let at = 0; at < FILES_EACH; at += 1)
      write(`many/${twoDigits(folder)}/${twoDigits(at)}.html`, KILOBYTE);
  }
  write("1k.html", KILOBYTE);
  write("100k.html", KILOBYTE.repeat(100));
  write("100m.bin", KILOBYTE.repeat(102_400));
  writeFileSync(finished, "");
}

function twoDigits(number: number): string {
  return String(number).padStart(2, "0");
}

/** The load of a page of this suite. The warm-up begins with one request whose response is checked whole. */
export async function askEdge(load: Load<EdgeCase>): Promise<WrkOutcome> {
  const { page, port, seconds, isWarmUp } = load;
  const fields = { ...page.fields, ...(page.status === 304 ? await askValidators(load) : {}) };
  if (isWarmUp) await expectResponse(load, fields);
  const { path, connections, files, minSeconds, expectedBody } = page;
  const run = { port, path, postBytes: 0, connections, fields, files };
  const outcome = await runWrk({ ...run, seconds: Math.max(seconds, minSeconds) });
  if (expectedBody.length < LARGE_BYTES) return outcome;
  return { ...outcome, requests: (outcome.requests * outcome.bytesEach) / expectedBody.length };
}

/** The fields of a conditional request (RFC 9110 §13.1), from those of a response. */
async function askValidators({ page, port }: Load<EdgeCase>): Promise<Record<string, string>> {
  const { etag, "last-modified": modified } = (await ask({ ...page, port })).fields;
  return {
    ...(etag === undefined ? {} : { "if-none-match": etag }),
    ...(modified === undefined ? {} : { "if-modified-since": modified }),
  };
}

async function expectResponse(
  { page, port }: Load<EdgeCase>,
  fields: Readonly<Record<string, string>>,
): Promise<void> {
  const { path, status, expectedBody } = page;
  const response = await ask({ port, path, postBytes: 0, fields });
  if (response.status !== status)
    throw new Error(`status ${response.status} in place of ${status} for ${path}`);
  const coding = response.fields["content-encoding"];
  if ("accept-encoding" in fields && coding === undefined)
    throw new Error(`${path} was not compressed`);
  const body = decode(response.bytes, coding);
  if (body !== (status === 304 ? "" : expectedBody))
    throw new Error(`a wrong body of ${body.length} bytes for ${path}`);
}

function decode(bytes: Buffer, coding: string | undefined): string {
  if (coding === "gzip") return gunzipSync(bytes).toString("latin1");
  if (coding === "br") return brotliDecompressSync(bytes).toString("latin1");
  if (coding === "zstd") return zstdDecompressSync(bytes).toString("latin1");
  return bytes.toString("latin1");
}
