// One request and its one response, whatever the HTTP version. A protocol engine makes the exchange and
// gives it a ResponseWriter; handlers respond by it. What a response means is decided here: whether it has
// a body, which length it states, how many bytes may come, which hints and trailers are sent. How that is
// framed is the engine's. The exchange travels through all layers, so it names no socket and no worker.
//
//   receiving ──respond()──────────────────────▶ finished
//       │  └────start()──▶ responding ──end()──────▲
//       ├──────────┴─ abort(), fault, client gone ─┤
//       └──upgrade()──▶ upgraded ──stream closed───┘
//
// Every exchange gets exactly one final response; calls after it is finished do nothing.

import type { Duplex } from "node:stream";

import { ALLOW, ERRORS, errorResponse, type HttpError } from "./error.ts";
import {
  MAX_EARLY_HINT_BYTES,
  MAX_EARLY_HINTS,
  sizeOf,
  wantsTrailers,
  type FieldSection,
} from "./field-section.ts";
import type { RequestHead, ResponseHead } from "./message.ts";
import { mayHaveBody, responseHead } from "./response-head.ts";

/** Takes the body of a request. A chunk is valid during the call only: bytes to keep are copied. */
export interface BodyReceiver {
  onBody(chunk: Buffer): void;
  /** The body is whole; trailers were checked and dropped. */
  onBodyEnd(): void;
}

/** What a handler hears while it works on an exchange. */
export interface ExchangeListener {
  /** `write` may go on: the client has taken enough. */
  onDrain(): void;
  /**
   * The client has left. "reset": at once, no response can reach it. "end": it has closed its sending
   * side after a whole request; a running request is still responded to, a waiting one may be dropped.
   * An incomplete body also ends here, with "reset".
   */
  onGone(how: "reset" | "end"): void;
}

/** A stream that has left HTTP (RFC 9110 §7.8). Its new owner hears its events and ends it. */
export interface UpgradedStream {
  /** Bytes are valid during "data" only. Its errors are heard by the engine. */
  readonly stream: Duplex;
  /** Bytes that came behind the request. */
  readonly ahead: Buffer;
  /** Bytes of the new protocol that the kernel has taken, and that have come. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

/** Both ends of a connection, as the engine knows them; the scheme is the listener's. */
export interface ConnectionFacts {
  readonly scheme: "http" | "https";
  /** Client address without brackets, "" for a Unix socket; port 0 for one. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
}

/** "none": no bytes follow the head. "length": Content-Length tells how many. "unknown": until its end. */
export type BodyKind = "none" | "length" | "unknown";

/**
 * How an engine carries out one exchange on its connection or stream. Called in the order of the
 * exchange's states, never after `sendResponse`, `sendEnd` or `reset`, each of which ends the exchange.
 * Heads are sent with the fields of server-fields.ts.
 */
export interface ResponseWriter {
  /** Whether as many bytes wait for the client as should; `onDrain` follows. */
  readonly isFull: boolean;
  /** Sends 103 Early Hints, if the protocol has them. */
  sendEarlyHints(fields: FieldSection): void;
  /** Sends a whole response. `length`: Content-Length to state besides the head's fields, -1 = none. */
  sendResponse(head: ResponseHead, requestId: string, body: Buffer, length: number): void;
  /** Sends a head whose body follows. */
  sendHead(head: ResponseHead, requestId: string, body: BodyKind): void;
  /** Sends bytes of the body, which are the writer's from then on. False: full, `onDrain` follows. */
  sendBody(chunk: Buffer): boolean;
  /** Ends the body. Trailers are dropped where the framing has no room for them. */
  sendEnd(trailers: FieldSection | null): void;
  /** Ends the stream so that the client can tell that the response is not whole. */
  reset(): void;
  /** Lets the body of the request flow, and asks the client for it where it waits to be asked. */
  receiveBody(receiver: BodyReceiver): void;
  pauseBody(): void;
  resumeBody(): void;
  /** Sends the head that leaves HTTP for `protocol`, and gives the stream away. */
  upgrade(protocol: string, head: ResponseHead, requestId: string): UpgradedStream;
}

/** Responds to exchanges. Never throws: a fault of its own becomes `exchange.fail`. */
export interface Handler {
  handle(exchange: Exchange): void;
}

const EMPTY = Buffer.alloc(0);
const SERVER_OPTIONS = responseHead(200, "OK", [ALLOW]);

export class Exchange {
  readonly head: RequestHead;
  /** performance.now() when the head was complete, ms. */
  readonly startedAt = performance.now();

  // Who asks, as the connection says; routing/ overwrites these where a trusted proxy says more.
  scheme: "http" | "https" | "ws" | "wss";
  remoteAddress: string;
  remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** Set by routing/ before a handler sees the exchange; goes into the response and the log. */
  requestId = "";
  /**
   * Set when a field had to be replaced or removed (forwarded fields, X-Request-ID); handlers read
   * `effectiveHead`.
   */
  effectiveHead: RequestHead;

  /**
   * Filled by the handler, read by the access log: name of the application ("" = the server itself),
   * number of the process that ran it (0 = none), milliseconds in the queue and in the application.
   */
  readonly handling = { application: "", worker: 0, queuedMs: 0, runMs: 0 };
  /** Status of the final response, 0 before it. */
  status = 0;
  /** Bytes of the response's body, or of the protocol that came after HTTP; for the log. */
  bytesSent = 0;
  /** Bytes of the request's body, counted by the engine; after an upgrade as `bytesSent`. */
  bytesReceived = 0;
  listener: ExchangeListener | null = null;

  readonly #writer: ResponseWriter;
  #state: "receiving" | "responding" | "upgraded" | "finished" = "receiving";
  #body: BodyKind = "none";
  /** Bytes that Content-Length has announced. */
  #length = 0;
  /** Early hints that have been sent. */
  #hints = 0;
  #upgraded: UpgradedStream | null = null;

  constructor(head: RequestHead, connection: ConnectionFacts, writer: ResponseWriter) {
    this.head = head;
    this.effectiveHead = head;
    this.scheme = connection.scheme;
    this.remoteAddress = connection.remoteAddress;
    this.remotePort = connection.remotePort;
    this.localAddress = connection.localAddress;
    this.localPort = connection.localPort;
    this.#writer = writer;
  }

  /** True once responded to or aborted. */
  get isFinished(): boolean {
    return this.#state === "finished";
  }

  /** True once any byte of the final response may have reached the client. */
  get isResponding(): boolean {
    return this.#state !== "receiving" && this.status !== 0;
  }

  /** Starts the body: sends 100 Continue where it is awaited. At most once; not for bodyLength 0. */
  receive(receiver: BodyReceiver): void {
    if (this.#state !== "finished") this.#writer.receiveBody(receiver);
  }

  /** Stops the flow of the body (backpressure by the receiver). */
  pauseBody(): void {
    if (this.#state !== "finished") this.#writer.pauseBody();
  }

  /** Restarts the flow of the body. */
  resumeBody(): void {
    if (this.#state !== "finished") this.#writer.resumeBody();
  }

  /**
   * Sends 103 Early Hints (RFC 8297), at most MAX_EARLY_HINTS before the response, each of at most
   * MAX_EARLY_HINT_BYTES. A client that does not read has no use for hints: they are not sent then.
   */
  hint(fields: FieldSection): void {
    if (this.#state !== "receiving" || this.#writer.isFull) return;
    if (this.#hints >= MAX_EARLY_HINTS || sizeOf(fields) > MAX_EARLY_HINT_BYTES) return;
    this.#hints += 1;
    this.#writer.sendEarlyHints(fields);
  }

  /**
   * The whole response at once. `body` must have the length that the head declares, if it does. Up to
   * 65,536 bytes of it are the caller's again afterwards; a larger one is kept, and freed when sent.
   */
  respond(head: ResponseHead, body: Buffer): void {
    if (this.#state !== "receiving") return;
    const hasBody = mayHaveBody(this.head.method, head.status);
    if (hasBody && head.contentLength !== null && head.contentLength !== body.length) {
      this.fail(ERRORS.RESPONSE_INVALID);
      return;
    }
    this.status = head.status;
    this.#state = "finished";
    if (hasBody) this.bytesSent = body.length;
    const length = this.#statedLength(head, body.length, hasBody);
    this.#writer.sendResponse(head, this.requestId, hasBody ? body : EMPTY, length);
  }

  /** The response to an error of the table. */
  fail(error: HttpError): void {
    if (this.#state !== "receiving") return;
    const [head, body] = errorResponse(error);
    this.respond(head, body);
  }

  /**
   * Responds to a request that is for the server and for no application: `OPTIONS *` (RFC 9110 §9.3.7),
   * and TRACE, which would show a client fields that are meant for nobody. False: it is for a handler.
   */
  respondAsServer(): boolean {
    if (this.head.path === "*") this.respond(SERVER_OPTIONS, EMPTY);
    else if (this.head.method === "TRACE") this.fail(ERRORS.METHOD_TRACE);
    else return false;
    return true;
  }

  /** Sends the head of a response whose body follows. */
  start(head: ResponseHead): void {
    if (this.#state !== "receiving") return;
    if (!mayHaveBody(this.head.method, head.status)) this.#body = "none";
    else this.#body = head.contentLength === null ? "unknown" : "length";
    this.#length = head.contentLength ?? 0;
    this.status = head.status;
    this.#state = "responding";
    this.#writer.sendHead(head, this.requestId, this.#body);
  }

  /**
   * Sends body bytes, which are the exchange's from then on. False = more than the high-water mark waits
   * for the client, wait for onDrain. Bytes beyond Content-Length abort the exchange. Bodies of HEAD,
   * 204, 304 are dropped.
   */
  write(chunk: Buffer): boolean {
    if (this.#state !== "responding") return true;
    if (this.#body === "none" || chunk.length === 0) return !this.#writer.isFull;
    if (this.#body === "length" && this.bytesSent + chunk.length > this.#length) {
      this.abort();
      return true;
    }
    this.bytesSent += chunk.length;
    return this.#writer.sendBody(chunk);
  }

  /**
   * Ends the body. Fewer bytes than Content-Length abort. `trailers` are sent where the client has asked
   * for them and the response's framing has room for them, else dropped.
   */
  end(trailers: FieldSection | null = null): void {
    if (this.#state !== "responding") return;
    if (this.#body === "length" && this.bytesSent < this.#length) {
      this.abort();
      return;
    }
    this.#state = "finished";
    const areWanted = trailers !== null && wantsTrailers(this.head);
    this.#writer.sendEnd(areWanted ? trailers : null);
  }

  /** Ends the exchange so that the client can tell that the response is not whole. */
  abort(): void {
    if (this.#state === "finished") return;
    this.#finish();
    this.#writer.reset();
  }

  /**
   * Sends the head that switches to the request's `protocol` (101 in HTTP/1.1) and leaves HTTP. The
   * exchange is finished when the stream has closed. Null: the client has left, or has a response.
   */
  upgrade(head: ResponseHead): UpgradedStream | null {
    if (this.#state !== "receiving" || this.head.protocol === "") return null;
    this.status = head.status;
    this.#state = "upgraded";
    this.#upgraded = this.#writer.upgrade(this.head.protocol, head, this.requestId);
    return this.#upgraded;
  }

  /** For the engine: the connection or stream has ended. Tells the handler, unless it is finished. */
  lose(): void {
    if (this.#state === "finished") return;
    this.#finish();
    this.listener?.onGone("reset");
  }

  /**
   * For the engine: the request cannot be completed. Responds with the error, if that is still possible,
   * and tells the handler.
   */
  refuse(error: HttpError): void {
    const { listener } = this;
    if (this.#state === "receiving") this.fail(error);
    else this.abort();
    listener?.onGone("reset");
  }

  #finish(): void {
    this.#state = "finished";
    if (this.#upgraded === null) return;
    this.bytesSent = this.#upgraded.bytesSent;
    this.bytesReceived = this.#upgraded.bytesReceived;
  }

  /** Content-Length that the head does not have and the response should; -1 = none. RFC 9110 §8.6. */
  #statedLength(head: ResponseHead, length: number, hasBody: boolean): number {
    if (head.contentLength !== null) return -1;
    if (hasBody) return length;
    // An empty body of a HEAD says nothing of the length that GET would give.
    const isKnown = length > 0 && head.status !== 204 && head.status !== 304;
    return isKnown && this.head.method === "HEAD" ? length : -1;
  }
}
