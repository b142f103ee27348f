// A client that sends exactly the given bytes and reads responses strictly by RFC 9112 §6.3: a response that
// a browser or fetch would repair is a failure here. Bytes behind a response belong to the next one.

import assert from "node:assert/strict";
import { connect as openSocket, type Socket } from "node:net";

import { PATIENCE_MS } from "./deadline.ts";

export interface RawResponse {
  readonly status: number;
  readonly reason: string;
  /** Lower-case name → values in order. */
  readonly fields: ReadonlyMap<string, readonly string[]>;
  readonly body: Buffer;
  readonly text: string;
}

export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  readonly fields: ReadonlyMap<string, readonly string[]>;
}

export type Address = { readonly port: number; readonly host?: string } | { readonly path: string };

export class RawClient {
  readonly socket: Socket;
  /** What has come and was not read yet is at #start … #end. */
  #buffer: Buffer = Buffer.alloc(0);
  #start = 0;
  #end = 0;
  #state: "open" | "ended" | "broken" = "open";
  #wake: (() => void) | null = null;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (bytes: Buffer) => {
      this.#append(bytes);
      this.#notify();
    });
    socket.on("end", () => this.#finish("ended"));
    // A reset is one of the ways in which a server ends a connection; tests ask for the state.
    socket.on("error", () => this.#finish("broken"));
    socket.on("close", () => this.#finish("ended"));
  }

  static async connect(address: Address): Promise<RawClient> {
    const options = { noDelay: true, allowHalfOpen: true };
    const socket =
      "path" in address
        ? openSocket({ ...options, path: address.path })
        : openSocket({ ...options, host: address.host ?? "127.0.0.1", port: address.port });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.once("connect", resolve);
    socket.once("error", reject);
    await promise;
    return new RawClient(socket);
  }

  /** A client on a connection that is open, such as one over TLS. */
  static over(socket: Socket): RawClient {
    return new RawClient(socket);
  }

  /** "open" while the server may still send; "broken" = reset. */
  get state(): "open" | "ended" | "broken" {
    return this.#state;
  }

  /** Bytes that have come and were not read yet. */
  get waiting(): number {
    return this.#end - this.#start;
  }

  write(bytes: string | Buffer): void {
    this.socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
  }

  /** Writes and waits until the kernel has taken it. */
  async send(bytes: Buffer): Promise<void> {
    if (this.socket.write(bytes)) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onClose = (): void => reject(new Error("the server closed while the body was sent"));
    this.socket.once("drain", resolve).once("close", onClose);
    await promise;
    this.socket.off("close", onClose);
  }

  /** Sends a request and reads its response. */
  async ask(request: string | Buffer): Promise<RawResponse> {
    this.write(request);
    const method = request.toString("latin1", 0, 16).split(" ", 1)[0] ?? "GET";
    return await this.readResponse(method);
  }

  /** `GET path` on this connection. */
  async get(path: string, fields = ""): Promise<RawResponse> {
    return await this.ask(`GET ${path} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`);
  }

  /** The next final response; interim responses (1xx) before it are passed over. */
  async readResponse(method = "GET", ms: number = PATIENCE_MS): Promise<RawResponse> {
    let head = await this.readHead(ms);
    while (head.status < 200) head = await this.readHead(ms);
    const body = await this.readBody(head, method);
    return { ...head, body, text: body.toString("utf8") };
  }

  async readHead(ms: number = PATIENCE_MS): Promise<ResponseHead> {
    const text = await this.#readThrough("\r\n\r\n", ms);
    const [start = "", ...lines] = text.slice(0, -4).split("\r\n");
    const match = /^HTTP\/1\.1 (\d{3}) (.*)$/.exec(start);
    assert(match !== null, `no status line: ${JSON.stringify(start)}`);
    const fields = new Map<string, string[]>();
    for (const line of lines) {
      const field = /^([!#$%&'*+.^_`|~\w-]+): ?(.*)$/.exec(line);
      assert(field !== null, `no field line: ${JSON.stringify(line)}`);
      const name = (field[1] ?? "").toLowerCase();
      fields.set(name, [...(fields.get(name) ?? []), field[2] ?? ""]);
    }
    return { status: Number(match[1]), reason: match[2] ?? "", fields };
  }

  async readBody(head: ResponseHead, method: string): Promise<Buffer> {
    if (method === "HEAD" || head.status === 204 || head.status === 304) return Buffer.alloc(0);
    const coding = head.fields.get("transfer-encoding");
    const lengths = head.fields.get("content-length");
    if (coding !== undefined) {
      assert.deepEqual(coding, ["chunked"]);
      assert.equal(lengths, undefined, "Content-Length beside Transfer-Encoding");
      const chunks: Buffer[] = [];
      for (;;) {
        const chunk = await this.readChunk();
        if (chunk === null) return Buffer.concat(chunks);
        chunks.push(chunk);
      }
    }
    if (lengths === undefined) return await this.readToEnd();
    assert.equal(lengths.length, 1, "two Content-Lengths");
    return await this.readBytes(Number(lengths[0]));
  }

  /** One chunk of a chunked body; null for the last one, its trailers read. */
  async readChunk(): Promise<Buffer | null> {
    const line = (await this.#readThrough("\r\n")).slice(0, -2);
    assert.match(line, /^[0-9a-fA-F]+$/, "chunk size");
    const size = Number.parseInt(line, 16);
    const chunk = await this.readBytes(size);
    assert.equal(await this.#readThrough("\r\n"), "\r\n", "end of the chunk");
    return size === 0 ? null : chunk;
  }

  async readBytes(count: number): Promise<Buffer> {
    await this.#fill(() => this.waiting >= count, `${count} bytes of body`);
    return this.#take(count);
  }

  /** Everything until the server ends its sending side. */
  async readToEnd(): Promise<Buffer> {
    await this.#fill(() => this.#state !== "open", "the end of the connection");
    assert.equal(this.#state, "ended", "the connection was reset");
    return this.#take(this.waiting);
  }

  /** Waits until the server has ended or reset the connection; returns the bytes that came before. */
  async readUntilCut(): Promise<Buffer> {
    await this.#fill(() => this.#state !== "open", "the end of the connection");
    return this.#take(this.waiting);
  }

  /** Ends our sending side. */
  end(): void {
    this.socket.end();
  }

  destroy(): void {
    this.socket.destroy();
  }

  async #readThrough(mark: string, ms: number = PATIENCE_MS): Promise<string> {
    let at = -1;
    await this.#fill(
      () => {
        at = this.#peek().indexOf(mark, 0, "latin1");
        return at !== -1;
      },
      JSON.stringify(mark),
      ms,
    );
    return this.#take(at + mark.length).toString("latin1");
  }

  #append(bytes: Buffer): void {
    const { waiting } = this;
    if (waiting === 0) {
      this.#buffer = bytes;
      this.#start = 0;
      this.#end = bytes.length;
      return;
    }
    if (this.#end + bytes.length > this.#buffer.length) {
      // Twice what is needed: a large body is copied once or twice, not once for each read. The earlier
      // buffer is left alone, because what was read are views of it.
      const larger = Buffer.allocUnsafe(2 * (waiting + bytes.length));
      this.#buffer.copy(larger, 0, this.#start, this.#end);
      this.#buffer = larger;
      this.#start = 0;
      this.#end = waiting;
    }
    bytes.copy(this.#buffer, this.#end);
    this.#end += bytes.length;
  }

  #peek(count: number = this.waiting): Buffer {
    return this.#buffer.subarray(this.#start, this.#start + Math.min(count, this.waiting));
  }

  #take(count: number): Buffer {
    const taken = this.#peek(count);
    this.#start += taken.length;
    return taken;
  }

  async #fill(isEnough: () => boolean, what: string, ms: number = PATIENCE_MS): Promise<void> {
    const last = performance.now() + ms;
    while (!isEnough()) {
      if (this.#state !== "open")
        assert.fail(`the connection ${this.#state} before ${this.#told(what)}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const timer = setTimeout(resolve, last - performance.now());
      await promise;
      clearTimeout(timer);
      if (performance.now() >= last && !isEnough()) assert.fail(`not in time: ${this.#told(what)}`);
    }
  }

  #told(what: string): string {
    return `${what}; came: ${this.#peek(500).toString("latin1")}`;
  }

  #finish(state: "ended" | "broken"): void {
    if (this.#state === "open") this.#state = state;
    this.#notify();
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = null;
  }
}

/** One request on a connection of its own. */
export async function askOnce(address: Address, request: string | Buffer): Promise<RawResponse> {
  const client = await RawClient.connect(address);
  try {
    return await client.ask(request);
  } finally {
    client.destroy();
  }
}

/** `GET path` on a connection of its own. */
export async function getOnce(address: Address, path: string, fields = ""): Promise<RawResponse> {
  return await askOnce(address, `GET ${path} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`);
}

/** The one value of a field; fails where there is none or more than one. */
export function fieldOf(response: ResponseHead, name: string): string {
  const values = response.fields.get(name) ?? [];
  assert.equal(values.length, 1, `${name}: ${JSON.stringify(values)}`);
  return values[0] ?? "";
}
