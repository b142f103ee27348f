// How the clients of a run reach the servers: HTTP/1.1 in the clear, over TLS, or HTTP/2 over TLS. Clients write
// requests of HTTP/1.1 and read responses of HTTP/1.1 in each case: over HTTP/2 a translator stands between, so
// that every trial means the same. One run has one transport.
//
// Connections to one port share sessions of HTTP/2, a few each, so that the requests of one connection run in
// several workers. GOAWAY is told as "Connection: close"; a reset of a connection resets its stream alone.

import {
  connect as connectSession,
  constants,
  type ClientHttp2Session,
  type ClientHttp2Stream,
} from "node:http2";
import { connect as connectSocket } from "node:net";
import { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";

export const TRANSPORTS = ["http", "tls", "http2"] as const;
export type Transport = (typeof TRANSPORTS)[number];

/** What the clients of the trials use of a socket. */
export interface ClientSocket extends Duplex {
  resetAndDestroy(): unknown;
}

const STREAMS_EACH = 8;
/** Any certificate: the server's was made for this run. */
const TRUST = { rejectUnauthorized: false };

let chosen: Transport = "http";

/** Chooses the transport of all clients of this process. */
export function useTransport(wanted: Transport): void {
  chosen = wanted;
}

export function transport(): Transport {
  return chosen;
}

/**
 * A connection to a port of this machine; "connect" is raised when requests may be sent. `isAlone`: it shares no
 * session with others.
 */
export function openConnection(port: number, isAlone = false): ClientSocket {
  if (chosen === "http2") return new TranslatedConnection(port, isAlone);
  const address = { port, host: "127.0.0.1", noDelay: true };
  if (chosen === "http") return connectSocket(address);
  const below = connectSocket(address);
  const secure = connectTls({ socket: below, ...TRUST, ALPNProtocols: ["http/1.1"] });
  // Node resets sockets without TLS only.
  secure.resetAndDestroy = () => {
    below.resetAndDestroy();
    return secure.destroy();
  };
  return secure;
}

interface Shared {
  readonly session: ClientHttp2Session;
  users: number;
  isLeaving: boolean;
}

const sessions = new Map<number, Shared[]>();

/** A session to the port that has room; the server has not said that it leaves. */
function takeSession(port: number, isAlone: boolean): Shared {
  const known = sessions.get(port) ?? [];
  const usable = (isAlone ? [] : known).find(
    ({ session, users, isLeaving }) =>
      !isLeaving && users < STREAMS_EACH && !session.closed && !session.destroyed,
  );
  if (usable !== undefined) {
    usable.users += 1;
    return usable;
  }
  const session = connectSession(`https://127.0.0.1:${port}`, TRUST);
  const shared = { session, users: 1, isLeaving: isAlone };
  session.setMaxListeners(0);
  session.on("error", () => undefined); // Each stream and connection hears of the close.
  session.on("goaway", () => (shared.isLeaving = true));
  session.on("close", () => {
    const left = (sessions.get(port) ?? []).filter((one) => one !== shared);
    if (left.length > 0) sessions.set(port, left);
    else sessions.delete(port);
  });
  sessions.set(port, [...known, shared]);
  return shared;
}

/** Looks like a connection of HTTP/1.1; each request of it is a stream. */
class TranslatedConnection extends Duplex implements ClientSocket {
  readonly #shared: Shared;
  #isChunked = true;
  #stream: ClientHttp2Stream | null = null;
  #request = "";
  /** Bytes of the request's content that have not come. */
  #missing = 0;

  constructor(port: number, isAlone: boolean) {
    super({ emitClose: true, autoDestroy: true });
    this.#shared = takeSession(port, isAlone);
    const { session } = this.#shared;
    const onConnect = (): void => void this.emit("connect");
    if (session.connecting) session.once("connect", onConnect);
    else process.nextTick(onConnect);
    session.once("close", () => {
      if (this.#stream === null) this.destroy();
    });
  }

  resetAndDestroy(): void {
    this.#stream?.close(constants.NGHTTP2_CANCEL);
    this.destroy();
  }

  override _write(bytes: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#send(bytes);
    done();
  }

  override _read(): void {
    this.#stream?.resume();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const shared = this.#shared;
    this.#stream?.close(constants.NGHTTP2_CANCEL);
    shared.users -= 1;
    if (shared.users === 0) shared.session.destroy();
    done(error);
  }

  #send(bytes: Buffer): void {
    if (this.#missing > 0) return this.#sendContent(bytes);
    this.#request += bytes.toString("latin1");
    const end = this.#request.indexOf("\r\n\r\n");
    if (end < 0) return;
    const [line = "", ...fields] = this.#request.slice(0, end).split("\r\n");
    const rest = Buffer.from(this.#request.slice(end + 4), "latin1");
    this.#request = "";
    this.#begin(line, fields);
    if (rest.length > 0) this.#sendContent(rest);
  }

  #begin(line: string, lines: readonly string[]): void {
    const [method = "GET", path = "/"] = line.split(" ");
    const fields: Record<string, string> = { ":method": method, ":path": path };
    for (const one of lines) {
      const [name = "", value = ""] = one.split(/: */, 2);
      if (/^host$/i.test(name)) fields[":authority"] = value;
      else if (!/^connection$/i.test(name)) fields[name.toLowerCase()] = value;
    }
    this.#missing = Number(fields["content-length"] ?? 0);
    const { session } = this.#shared;
    if (session.destroyed || session.closed) return void this.destroy();
    const stream = session.request(fields, { endStream: this.#missing === 0 });
    this.#stream = stream;
    stream.on("response", (head) => this.#tell(head));
    stream.on("data", (part: Buffer) => {
      if (!this.push(this.#isChunked ? chunkOf(part) : part)) stream.pause();
    });
    let isWhole = false;
    stream.on("end", () => {
      isWhole = stream.rstCode === constants.NGHTTP2_NO_ERROR;
    });
    stream.on("error", () => undefined); // "close" follows and says all.
    stream.on("close", () => {
      if (this.#stream !== stream) return;
      this.#stream = null;
      if (!isWhole || stream.rstCode !== constants.NGHTTP2_NO_ERROR) this.destroy();
      else if (this.#isChunked) this.push("0\r\n\r\n");
      if (session.closed) this.push(null);
    });
  }

  #sendContent(bytes: Buffer): void {
    this.#missing -= bytes.length;
    if (this.#missing > 0) this.#stream?.write(bytes);
    else this.#stream?.end(bytes);
  }

  #tell(head: Readonly<Record<string, unknown>>): void {
    const lines = [`HTTP/1.1 ${String(head[":status"])} `];
    for (const [name, value] of Object.entries(head)) {
      if (name.startsWith(":")) continue;
      for (const one of Array.isArray(value) ? value : [value])
        lines.push(`${name}: ${String(one)}`);
    }
    if (this.#shared.isLeaving) lines.push("connection: close");
    this.#isChunked = !("content-length" in head);
    if (this.#isChunked) lines.push("transfer-encoding: chunked");
    this.push(Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"));
  }
}

function chunkOf(part: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from("\r\n")]);
}
