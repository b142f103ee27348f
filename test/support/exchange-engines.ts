// The engines that the suite of exchanges runs on, seen alike: a client sends a request and gets a response,
// in memory, or as HTTP/1.1 or HTTP/2 over a socket.

import assert from "node:assert/strict";
import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
} from "node:http2";
import { connect as openSocket, createServer, type Socket } from "node:net";

import { PLAIN, type Arrival } from "../../src/http/engine.ts";
import { ERRORS } from "../../src/http/error.ts";
import type { Exchange } from "../../src/http/exchange.ts";
import { Http1Engine } from "../../src/http1/engine.ts";
import { Http2Engine } from "../../src/http2/engine.ts";
import { until } from "./deadline.ts";
import { MemoryEngine, type MemoryRequest, type MemoryStream } from "./memory-engine.ts";
import { RawClient } from "./raw-client.ts";

type Fields = ReadonlyMap<string, readonly string[]>;

/** A response as its client has it. */
export interface SeenResponse {
  /** Fields of each 103. */
  readonly hints: readonly Fields[];
  /** 0: no response came. */
  readonly status: number;
  /** Lower-case name → values. */
  readonly fields: Fields;
  readonly body: Buffer;
  readonly trailers: Fields;
  /** Whether the client can tell that it is whole. */
  readonly isWhole: boolean;
}

/** The client of one exchange. */
interface ExchangeClient {
  /** Sends a piece of the request's body. */
  sendBody(bytes: string, isLast: boolean): void;
  /** Leaves without a word. */
  leave(): void;
  /** Stops and goes on reading. */
  pause(): void;
  resume(): void;
  /** The response, when it is whole or cut. */
  response(): Promise<SeenResponse>;
  /** The response that leaves HTTP; then bytes go both ways. */
  upgraded(): Promise<SeenResponse>;
  send(bytes: Buffer): void;
  read(count: number): Promise<Buffer>;
}

export interface ExchangeEngine {
  /** What its connections say: scheme and address of the client. */
  readonly facts: { readonly scheme: string; readonly remoteAddress: string };
  /** Status of the response that leaves HTTP, where the head says 101. */
  readonly switchStatus: number;
  ask(request?: Partial<MemoryRequest>): Promise<ExchangeClient>;
  /** Sends what no engine takes for a request. */
  askUnreadable(): Promise<SeenResponse>;
  close(): void;
}

export type StartEngine = (
  onExchange: (exchange: Exchange) => void,
  onFinish: (exchange: Exchange) => void,
) => Promise<ExchangeEngine>;

const NONE: Fields = new Map();

function withDefaults(request: Partial<MemoryRequest>): MemoryRequest {
  return { method: "GET", path: "/", fields: [], bodyLength: 0, protocol: "", ...request };
}

/** Lower-case name → values in order. */
function fieldMap(fields: Iterable<readonly [name: string, value: string]>): Fields {
  const map = new Map<string, string[]>();
  for (const [name, value] of fields) {
    const values = map.get(name.toLowerCase()) ?? [];
    values.push(value);
    map.set(name.toLowerCase(), values);
  }
  return map;
}

// In memory.

class MemoryClient implements ExchangeClient {
  readonly #stream: MemoryStream;
  #received = Buffer.alloc(0);

  constructor(stream: MemoryStream) {
    this.#stream = stream;
  }

  sendBody(bytes: string, isLast: boolean): void {
    if (bytes !== "") this.#stream.push(Buffer.from(bytes));
    if (isLast) this.#stream.push(null);
  }

  leave(): void {
    if (this.#stream.peer === null) this.#stream.leave();
    else this.#stream.peer.destroy();
  }

  pause(): void {
    this.#stream.isFull = true;
  }

  resume(): void {
    this.#stream.drain();
  }

  async response(): Promise<SeenResponse> {
    await until("the response", () => this.#stream.state !== "open");
    return seenOf(this.#stream);
  }

  async upgraded(): Promise<SeenResponse> {
    const response = await this.response();
    this.#stream.peer?.on("data", (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes]);
    });
    return response;
  }

  send(bytes: Buffer): void {
    this.#stream.peer?.write(bytes);
  }

  async read(count: number): Promise<Buffer> {
    await until(`${count} bytes`, () => this.#received.length >= count);
    const bytes = this.#received.subarray(0, count);
    this.#received = this.#received.subarray(count);
    return bytes;
  }
}

function seenOf(stream: MemoryStream): SeenResponse {
  const { status, fields, chunks, trailers, state, hints } = stream;
  const pairs = ({ names, values }: { names: readonly string[]; values: readonly string[] }) =>
    fieldMap(names.map((name, index) => [name, values[index] ?? ""]));
  return {
    hints: hints.map(pairs),
    status,
    fields: fieldMap(fields),
    body: Buffer.concat(chunks),
    trailers: trailers === null ? NONE : pairs(trailers),
    isWhole: state === "whole",
  };
}

export const startMemoryEngine: StartEngine = (onExchange, onFinish) => {
  const engine = new MemoryEngine(onExchange, onFinish);
  return Promise.resolve({
    facts: { scheme: "https", remoteAddress: "192.0.2.1" },
    switchStatus: 101,
    ask: (request = {}) => Promise.resolve(new MemoryClient(engine.request(withDefaults(request)))),
    askUnreadable: () => Promise.resolve(seenOf(engine.refuse(ERRORS.METHOD_INVALID))),
    close: () => undefined,
  });
};

// HTTP/1.1 over a socket.

class Http1Client implements ExchangeClient {
  readonly #client: RawClient;
  readonly #isChunked: boolean;
  readonly #method: string;

  constructor(client: RawClient, method: string, isChunked: boolean) {
    this.#client = client;
    this.#method = method;
    this.#isChunked = isChunked;
  }

  sendBody(bytes: string, isLast: boolean): void {
    if (!this.#isChunked) this.#client.write(bytes);
    else if (bytes !== "") this.#client.write(`${bytes.length.toString(16)}\r\n${bytes}\r\n`);
    if (isLast && this.#isChunked) this.#client.write("0\r\n\r\n");
  }

  leave(): void {
    this.#client.socket.resetAndDestroy();
  }

  pause(): void {
    this.#client.socket.pause();
  }

  resume(): void {
    this.#client.socket.resume();
  }

  async response(): Promise<SeenResponse> {
    return parseResponse(await this.#client.readUntilCut(), this.#method);
  }

  async upgraded(): Promise<SeenResponse> {
    const { status, fields } = await this.#client.readHead();
    return { hints: [], status, fields, body: Buffer.alloc(0), trailers: NONE, isWhole: false };
  }

  send(bytes: Buffer): void {
    this.#client.write(bytes);
  }

  async read(count: number): Promise<Buffer> {
    return await this.#client.readBytes(count);
  }
}

/** All bytes of a connection that ends with its response. */
function parseResponse(bytes: Buffer, method: string): SeenResponse {
  const hints: Fields[] = [];
  let rest = bytes.toString("latin1");
  for (;;) {
    const end = rest.indexOf("\r\n\r\n");
    if (end === -1)
      return { hints, status: 0, fields: NONE, body: bytes, trailers: NONE, isWhole: false };
    const [start = "", ...lines] = rest.slice(0, end).split("\r\n");
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(start)?.[1]);
    const fields = fieldLines(lines);
    rest = rest.slice(end + 4);
    if (status === 103) hints.push(fields);
    else return { hints, status, fields, ...parseBody(rest, fields, method, status) };
  }
}

function parseBody(
  text: string,
  fields: Fields,
  method: string,
  status: number,
): Pick<SeenResponse, "body" | "trailers" | "isWhole"> {
  const body = Buffer.from(text, "latin1");
  const hasNone = method === "HEAD" || status === 204 || status === 304;
  if (hasNone) return { body, trailers: NONE, isWhole: text === "" };
  if (!fields.has("transfer-encoding")) {
    const length = Number(fields.get("content-length")?.[0]);
    return { body, trailers: NONE, isWhole: body.length === length };
  }
  let data = "";
  let at = 0;
  for (;;) {
    const line = text.indexOf("\r\n", at);
    if (line === -1) break;
    const size = Number.parseInt(text.slice(at, line), 16);
    if (size === 0) {
      const lines = text.slice(line + 2).split("\r\n");
      assert.deepEqual(lines.slice(-2), ["", ""], "the end of the trailers");
      const trailers = fieldLines(lines.slice(0, -2));
      return { body: Buffer.from(data, "latin1"), trailers, isWhole: true };
    }
    data += text.slice(line + 2, line + 2 + size);
    at = line + 2 + size + 2;
  }
  return { body: Buffer.from(data, "latin1"), trailers: NONE, isWhole: false };
}

function fieldLines(lines: readonly string[]): Fields {
  return fieldMap(
    lines.map((line) => {
      const colon = line.indexOf(": ");
      return [line.slice(0, colon), line.slice(colon + 2)];
    }),
  );
}

export const startHttp1Engine: StartEngine = async (onExchange, onFinish) =>
  await serveHttp1(new Http1Engine({ onExchange, onFinish }), PLAIN);

/** The same with Strict-Transport-Security, on connections of this scheme. */
export const startHttp1EngineWith =
  (hsts: string, scheme: "http" | "https"): StartEngine =>
  async (onExchange, onFinish) =>
    await serveHttp1(new Http1Engine({ hsts, onExchange, onFinish }), { ...PLAIN, scheme });

async function serveHttp1(engine: Http1Engine, arrival: Arrival): Promise<ExchangeEngine> {
  const server = createServer({ allowHalfOpen: true }, (socket) => engine.accept(socket, arrival));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  const { port } = address;
  const clients: RawClient[] = [];
  const connect = async (): Promise<RawClient> => {
    const client = await RawClient.connect({ port });
    clients.push(client);
    return client;
  };
  return {
    facts: { scheme: arrival.scheme, remoteAddress: "127.0.0.1" },
    switchStatus: 101,
    ask: async (partial = {}) => {
      const { method, path, fields, bodyLength, protocol } = withDefaults(partial);
      const client = await connect();
      const framing =
        bodyLength === null ? "Transfer-Encoding: chunked" : `Content-Length: ${bodyLength}`;
      const lines = [
        `${method} ${path} HTTP/1.1`,
        "Host: a",
        protocol === "" ? "Connection: close" : `Connection: Upgrade\r\nUpgrade: ${protocol}`,
        ...(bodyLength === 0 ? [] : [framing]),
        ...fields.map(([name, value]) => `${name}: ${value}`),
      ];
      client.write(`${lines.join("\r\n")}\r\n\r\n`);
      return new Http1Client(client, method, bodyLength === null);
    },
    askUnreadable: async () => {
      const client = await connect();
      client.write("\x16\x03\x01\r\n\r\n");
      return parseResponse(await client.readUntilCut(), "GET");
    },
    close: () => {
      for (const client of clients) client.destroy();
      server.close();
      engine.destroyAll();
    },
  };
}

// HTTP/2 over a socket, with Node's client.

class Http2Client implements ExchangeClient {
  readonly #stream: ClientHttp2Stream;
  readonly #socket: Socket;
  readonly #hints: Fields[] = [];
  #status = 0;
  #fields: Fields = NONE;
  #trailers: Fields = NONE;
  #received = Buffer.alloc(0);
  #state: "open" | "whole" | "cut" = "open";

  constructor(stream: ClientHttp2Stream, socket: Socket) {
    this.#stream = stream;
    this.#socket = socket;
    const pairs = (raw: readonly string[]): Fields =>
      fieldMap(raw.flatMap((name, i) => (i % 2 === 0 ? [[name, raw[i + 1] ?? ""] as const] : [])));
    const plain = (raw: readonly string[]): Fields =>
      new Map([...pairs(raw)].filter(([name]) => !name.startsWith(":")));
    // The last argument, which the types do not name, has the fields as they came.
    stream.on("headers", (...[, , raw]: unknown[]) => this.#hints.push(plain(texts(raw))));
    stream.on("response", (...[, , raw]: unknown[]) => {
      this.#status = Number(pairs(texts(raw)).get(":status")?.[0]);
      this.#fields = plain(texts(raw));
    });
    stream.on("trailers", (...[, , raw]: unknown[]) => (this.#trailers = plain(texts(raw))));
    stream.on("data", (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes]);
    });
    stream.on("end", () => {
      if (stream.rstCode === 0 && this.#status !== 0) this.#state = "whole";
    });
    // A reset is one of the ends; tests ask for the state.
    stream.on("error", () => undefined);
    stream.on("close", () => {
      if (this.#state === "open" || stream.rstCode !== 0) this.#state = "cut";
    });
  }

  sendBody(bytes: string, isLast: boolean): void {
    if (bytes !== "") this.#stream.write(bytes);
    if (isLast) this.#stream.end();
  }

  leave(): void {
    this.#socket.resetAndDestroy();
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  async response(): Promise<SeenResponse> {
    await until("the response", () => this.#state !== "open");
    return this.#seen();
  }

  async upgraded(): Promise<SeenResponse> {
    await until("the head", () => this.#status !== 0);
    return this.#seen();
  }

  send(bytes: Buffer): void {
    this.#stream.write(bytes);
  }

  async read(count: number): Promise<Buffer> {
    await until(`${count} bytes`, () => this.#received.length >= count);
    const bytes = this.#received.subarray(0, count);
    this.#received = this.#received.subarray(count);
    return bytes;
  }

  #seen(): SeenResponse {
    return {
      hints: this.#hints,
      status: this.#status,
      fields: this.#fields,
      body: this.#received,
      trailers: this.#trailers,
      isWhole: this.#state === "whole",
    };
  }
}

function texts(raw: unknown): string[] {
  assert.ok(Array.isArray(raw));
  return raw.map(String);
}

export const startHttp2Engine: StartEngine = async (onExchange, onFinish) =>
  await serveHttp2(new Http2Engine({ onExchange, onFinish }), PLAIN);

/** The same with Strict-Transport-Security, on connections of this scheme. */
export const startHttp2EngineWith =
  (hsts: string, scheme: "http" | "https"): StartEngine =>
  async (onExchange, onFinish) =>
    await serveHttp2(new Http2Engine({ hsts, onExchange, onFinish }), { ...PLAIN, scheme });

async function serveHttp2(engine: Http2Engine, arrival: Arrival): Promise<ExchangeEngine> {
  const { scheme } = arrival;
  const server = createServer({ allowHalfOpen: true }, (socket) => engine.accept(socket, arrival));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  const { port } = address;
  const sessions: ClientHttp2Session[] = [];
  const connect = async (): Promise<[session: ClientHttp2Session, socket: Socket]> => {
    const socket = openSocket({ host: "127.0.0.1", port });
    const session = connectHttp2(`${scheme}://127.0.0.1:${port}`, {
      createConnection: () => socket,
    });
    session.on("error", () => undefined);
    sessions.push(session);
    await once(session, "remoteSettings");
    return [session, socket];
  };
  const ask = async (partial: Partial<MemoryRequest>): Promise<Http2Client> => {
    const { method, path, fields, bodyLength, protocol } = withDefaults(partial);
    const [session, socket] = await connect();
    const stream = session.request(
      {
        ":method": protocol === "" ? method : "CONNECT",
        ":path": path,
        ":authority": "a",
        ":scheme": scheme,
        ...(protocol === "" ? {} : { ":protocol": protocol }),
        ...(bodyLength === null || bodyLength === 0 ? {} : { "content-length": bodyLength }),
        ...Object.fromEntries(fields),
      },
      { endStream: bodyLength === 0 && protocol === "" },
    );
    return new Http2Client(stream, socket);
  };
  return {
    facts: { scheme, remoteAddress: "127.0.0.1" },
    switchStatus: 200,
    ask: (partial = {}) => ask(partial),
    askUnreadable: async () => (await ask({ path: "/\u00ff" })).response(),
    close: () => {
      for (const session of sessions) session.destroy();
      server.close();
      engine.destroyAll();
    },
  };
}
