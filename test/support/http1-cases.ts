// Runs the cases of test/vectors/http1.json (format: test/vectors/http1.md) against a server, each in
// four ways: whole, byte by byte, split at every CRLF, and after a good request on the same connection.
// Knows the server only as a place to connect to and a record of what its application has seen.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";

import type { RawClient, ResponseHead } from "./raw-client.ts";

export const MODES = ["whole", "bytes", "crlf", "keepalive"] as const;
export type Mode = (typeof MODES)[number];

type Piece = string | { readonly repeat: readonly [string, number] } | { readonly await: 100 };
type Text = string | readonly (string | { readonly repeat: readonly [string, number] })[];

interface ExpectedRequest {
  readonly method?: string;
  readonly path?: Text;
  readonly raw_path?: Text;
  readonly query?: Text;
  readonly body?: Text;
  readonly headers?: Readonly<Record<string, string | null>>;
  readonly environ?: Readonly<Record<string, string | null>>;
}

export interface Http1Case {
  readonly id: string;
  readonly group: string;
  readonly note: string;
  readonly bytes: string | readonly Piece[];
  readonly expect: "reject" | "accept" | "wait";
  readonly sees?: readonly ExpectedRequest[];
  readonly status?: number | readonly number[];
  readonly or?: readonly number[];
  readonly then?: "open" | "close" | "either";
  readonly interim?: number;
  readonly late?: boolean;
  readonly end?: "fin";
  readonly silent?: boolean;
}

/** One request as the application saw it, whole. Strings are latin-1. */
export interface SeenRequest {
  readonly method: string;
  /** Percent-decoded once. */
  readonly path: string;
  readonly rawPath: string;
  readonly query: string;
  readonly body: string;
  /** Lower-case names; lines of one name joined by ", " (cookie: "; "). */
  readonly headers: ReadonlyMap<string, string>;
  /** `HTTP_…` of a WSGI application; absent for other interfaces. */
  readonly environ?: ReadonlyMap<string, string>;
}

export interface CaseServer {
  connect(): Promise<RawClient>;
  /** What the application has seen on the connection with this client port, in order. */
  seen(clientPort: number): readonly SeenRequest[] | Promise<readonly SeenRequest[]>;
}

const REFUSALS = [400, 405, 408, 411, 413, 414, 417, 421, 426, 431, 501, 505];
const NEXT = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
const FIRST = "GET /first HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST = "GET /last HTTP/1.1\r\nHost: a\r\n\r\n";
/** A refused connection is to be closed within this. */
const CLOSE_MS = 1500;
/** A request that is not whole stays without an answer for this. */
const WAIT_MS = 600;
/** Text beyond this is cut finely at both ends only. */
const FINE_BYTES = 512;

export function readCases(): readonly Http1Case[] {
  const file = new URL("../vectors/http1.json", import.meta.url);
  const cases: readonly Http1Case[] = JSON.parse(readFileSync(file, "utf8"));
  return cases;
}

/** All bytes of a case, whatever the client waits for. */
export function wholeText(bytes: Http1Case["bytes"]): string {
  const pieces = typeof bytes === "string" ? [bytes] : bytes;
  const texts = pieces.map((piece) => {
    if (typeof piece === "string") return piece;
    return "repeat" in piece ? piece.repeat[0].repeat(piece.repeat[1]) : "";
  });
  return texts.join("");
}

/** Runs one case in one mode; rejects with what is wrong. */
export async function runCase(server: CaseServer, one: Http1Case, mode: Mode): Promise<void> {
  const client = await server.connect();
  const port = client.socket.localPort ?? 0;
  // Ports are used again: what stands there already is an earlier connection's.
  const earlier = (await server.seen(port)).length;
  try {
    const run = new CaseRun(client, one);
    if (mode === "keepalive") await run.expectAnswers(FIRST, "GET");
    await run.send(mode);
    if (one.expect === "accept") await run.expectAccept();
    else if (one.expect === "reject") await run.expectReject();
    else await run.expectNothing();
    const seen = (await server.seen(port)).slice(earlier);
    if (mode === "keepalive") assert.equal(seen.shift()?.path, "/first");
    run.checkSeen(seen);
  } finally {
    client.destroy();
  }
}

class CaseRun {
  readonly #client: RawClient;
  readonly #case: Http1Case;
  #interims = 0;
  /** Whether the server has answered the last request itself. */
  #isAnsweredByServer = false;
  #hasFurther = false;

  constructor(client: RawClient, one: Http1Case) {
    this.#client = client;
    this.#case = one;
  }

  async expectAnswers(request: string, method: string): Promise<void> {
    this.#client.write(request);
    const answer = await this.#readFinal(method);
    assert.equal(answer.status, 200, `answer to ${JSON.stringify(request)}`);
  }

  async send(mode: Mode): Promise<void> {
    const { bytes } = this.#case;
    const pieces = typeof bytes === "string" ? [bytes] : bytes;
    let text = "";
    for (const piece of pieces) {
      if (typeof piece === "string") text += piece;
      else if ("repeat" in piece) text += piece.repeat[0].repeat(piece.repeat[1]);
      else {
        await this.#sendText(text, mode);
        text = "";
        const head = await this.#client.readHead();
        assert.equal(head.status, 100);
        this.#interims += 1;
      }
    }
    await this.#sendText(text, mode);
    if (this.#case.end === "fin") this.#client.end();
    else if (this.#case.expect === "reject") this.#client.write(NEXT);
  }

  async expectAccept(): Promise<void> {
    const sees = this.#case.sees ?? [];
    for (const [index, expected] of sees.entries()) {
      const answer = await this.#readFinal(expected.method ?? "GET");
      const isLast = index === sees.length - 1;
      this.#isAnsweredByServer = isLast && (this.#case.or ?? []).includes(answer.status);
      if (!this.#isAnsweredByServer) assert.equal(answer.status, 200);
    }
    const then = this.#case.then ?? "open";
    if (then === "open") await this.expectAnswers(LAST, "GET");
    this.#hasFurther = then === "open";
    if (then === "close") {
      const rest = await this.#client.readUntilCut();
      assert.equal(rest.toString("latin1"), "", "bytes after the last answer");
    }
  }

  async expectReject(): Promise<void> {
    const { sees = [], status = REFUSALS, silent = false } = this.#case;
    for (const expected of sees) {
      const answer = await this.#readFinal(expected.method ?? "GET");
      assert.equal(answer.status, 200, "a good request before the bad one");
    }
    const isSilent = silent && (await this.#isClosedWithoutAnswer());
    if (!isSilent) {
      const answer = await this.#readFinal("GET");
      const allowed = typeof status === "number" ? [status] : status;
      assert.ok(allowed.includes(answer.status), `status ${answer.status}, not ${allowed.join()}`);
      assert.deepEqual(answer.fields.get("connection"), ["close"]);
    }
    const began = performance.now();
    const rest = await this.#client.readUntilCut();
    assert.equal(rest.toString("latin1"), "", "bytes after the refusal");
    assert.ok(performance.now() - began < CLOSE_MS, "the connection is closed in time");
  }

  async expectNothing(): Promise<void> {
    await sleep(WAIT_MS);
    assert.equal(this.#client.state, "open");
    assert.equal(this.#client.waiting, 0, "an answer to a request that is not whole");
  }

  checkSeen(seen: readonly SeenRequest[]): void {
    const expected = [...(this.#case.sees ?? [])];
    if (this.#isAnsweredByServer) expected.pop();
    const requests = this.#hasFurther ? seen.slice(0, -1) : seen;
    assert.equal(
      requests.length,
      expected.length,
      `the application saw ${JSON.stringify(requests.map((request) => request.path))}`,
    );
    for (const [index, request] of requests.entries()) checkRequest(request, expected[index] ?? {});
  }

  async #readFinal(method: string): Promise<ResponseHead> {
    for (;;) {
      const head = await this.#client.readHead();
      if (head.status >= 200) {
        await this.#client.readBody(head, method);
        return head;
      }
      assert.equal(head.status, 100);
      this.#interims += 1;
      assert.ok(this.#interims <= (this.#case.interim ?? 0), "too many 100 Continue");
    }
  }

  async #isClosedWithoutAnswer(): Promise<boolean> {
    const client = this.#client;
    while (client.state === "open" && client.waiting === 0) await sleep(5);
    return client.waiting === 0;
  }

  async #sendText(text: string, mode: Mode): Promise<void> {
    for (const piece of cut(text, mode)) {
      // A server that refuses early may have reset the connection.
      if (this.#client.socket.destroyed) return;
      this.#client.write(piece);
      await turn();
    }
  }
}

function cut(text: string, mode: Mode): readonly string[] {
  if (mode === "crlf") return text.split(/(?<=\r\n)/);
  if (mode !== "bytes") return [text];
  if (text.length <= 2 * FINE_BYTES) return text.split("");
  return [
    ...text.slice(0, FINE_BYTES).split(""),
    text.slice(FINE_BYTES, -FINE_BYTES),
    ...text.slice(-FINE_BYTES).split(""),
  ];
}

function checkRequest(request: SeenRequest, expected: ExpectedRequest): void {
  if (expected.method !== undefined) assert.equal(request.method, expected.method);
  if (expected.path !== undefined) assert.equal(request.path, expand(expected.path));
  if (expected.raw_path !== undefined) assert.equal(request.rawPath, expand(expected.raw_path));
  if (expected.query !== undefined) assert.equal(request.query, expand(expected.query));
  if (expected.body !== undefined)
    assert.ok(request.body === expand(expected.body), "the body is another one");
  for (const [name, value] of Object.entries(expected.headers ?? {}))
    assert.equal(request.headers.get(name) ?? null, value, name);
  if (request.environ === undefined) return;
  for (const [name, value] of Object.entries(expected.environ ?? {}))
    assert.equal(request.environ.get(name) ?? null, value, name);
}

function expand(text: Text): string {
  if (typeof text === "string") return text;
  return text
    .map((part) => (typeof part === "string" ? part : part.repeat[0].repeat(part.repeat[1])))
    .join("");
}

/** Lines of a head as one value a name. */
export function joinLines(
  names: readonly string[],
  values: readonly string[],
): ReadonlyMap<string, string> {
  const joined = new Map<string, string>();
  for (const [index, name] of names.entries()) {
    const value = values[index] ?? "";
    const before = joined.get(name);
    const separator = name === "cookie" ? "; " : ", ";
    joined.set(name, before === undefined ? value : before + separator + value);
  }
  return joined;
}
