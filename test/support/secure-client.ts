// Real clients over TLS: a socket for HTTP/1.1, and Node's own HTTP/2.

import assert from "node:assert/strict";
import { once } from "node:events";
import {
  connect as connectHttp2,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from "node:http2";
import type { Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";

import { PATIENCE_MS, within } from "./deadline.ts";
import { RawClient } from "./raw-client.ts";

export interface SecureAddress {
  readonly port: number;
  /** The name in the handshake and in requests. */
  readonly host: string;
  /** PEM of the authority. */
  readonly ca: string;
  /** A client certificate. */
  readonly client?: { readonly cert: string; readonly key: string };
  /** The connection below; default: one to 127.0.0.1. */
  readonly socket?: Socket;
}

/** A connection whose handshake is over; the server's certificate is checked. */
export async function openTls(
  { port, host, ca, client, socket }: SecureAddress,
  protocol: string,
): Promise<TLSSocket> {
  const below = socket === undefined ? { host: "127.0.0.1", port } : { socket };
  const options = { ...below, servername: host, ca, ALPNProtocols: [protocol], ...client };
  const opened = connectTls(options);
  await within(PATIENCE_MS, once(opened, "secureConnect"), "a handshake");
  assert.equal(opened.alpnProtocol, protocol);
  return opened;
}

/** HTTP/1.1 over TLS. */
export async function openHttp1(address: SecureAddress): Promise<RawClient> {
  return RawClient.over(await openTls(address, "http/1.1"));
}

export interface Http2Response {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** A request whose response has begun. */
export interface Http2Begun {
  readonly stream: ClientHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  /** What has come of the body. */
  text: string;
  /** The whole body; rejects where the stream is reset. */
  readonly end: Promise<string>;
}

/** An HTTP/2 connection. */
export class Http2Client {
  readonly session: ClientHttp2Session;
  readonly #host: string;
  #isGoing = false;

  private constructor(session: ClientHttp2Session, host: string) {
    this.session = session;
    this.#host = host;
    // A reset connection is told by its streams.
    session.on("error", () => undefined).on("goaway", () => (this.#isGoing = true));
  }

  static async connect(address: SecureAddress): Promise<Http2Client> {
    const socket = await openTls(address, "h2");
    return await Http2Client.#over(
      connectHttp2(`https://${address.host}`, { createConnection: () => socket }),
      address.host,
    );
  }

  /** Without TLS, with prior knowledge. */
  static async connectPlain(port: number, socket?: Socket): Promise<Http2Client> {
    const options = socket === undefined ? {} : { createConnection: () => socket };
    return await Http2Client.#over(connectHttp2(`http://127.0.0.1:${port}`, options), "a");
  }

  static async #over(session: ClientHttp2Session, host: string): Promise<Http2Client> {
    const client = new Http2Client(session, host);
    await within(PATIENCE_MS, once(session, "remoteSettings"), "the server's settings");
    return client;
  }

  /** Whether the server has sent GOAWAY. */
  get isGoing(): boolean {
    return this.#isGoing;
  }

  /** A stream of a request, whose fields may replace the usual ones. */
  request(path: string, headers: OutgoingHttpHeaders = {}): ClientHttp2Stream {
    const usual = { ":path": path, ":authority": this.#host };
    return this.session.request({ ...usual, ...headers });
  }

  /** Sends a request, and resolves with the begin of its response. */
  async begin(path: string, headers: OutgoingHttpHeaders = {}, body = ""): Promise<Http2Begun> {
    const method = body === "" ? {} : { ":method": "POST" };
    const stream = this.request(path, { ...method, ...headers });
    stream.on("error", () => undefined);
    // The stream of a GET has ended already.
    if (body !== "") stream.end(body);
    return await responseOf(stream);
  }

  /** Sends a request, and resolves with its whole response. */
  async ask(path: string, headers: OutgoingHttpHeaders = {}, body = ""): Promise<Http2Response> {
    const begun = await this.begin(path, headers, body);
    const text = await begun.end;
    return { status: Number(begun.headers[":status"]), headers: begun.headers, text };
  }

  destroy(): void {
    this.session.destroy();
  }
}

/** Waits for the head of a response. */
export async function responseOf(stream: ClientHttp2Stream): Promise<Http2Begun> {
  const head = new Promise<IncomingHttpHeaders>((resolve, reject) => {
    stream.once("response", resolve).once("error", reject);
    stream.once("close", () => reject(new Error(`no response: code ${stream.rstCode}`)));
  });
  const headers = await within(PATIENCE_MS, head, "a response");
  const end = new Promise<string>((resolve, reject) => {
    stream.once("end", () => resolve(begun.text)).once("error", reject);
    stream.once("close", () => reject(new Error(`cut: code ${stream.rstCode}`)));
  });
  end.catch(() => undefined);
  const begun: Http2Begun = { stream, headers, text: "", end };
  stream.setEncoding("utf8").on("data", (piece: string) => (begun.text += piece));
  return begun;
}
