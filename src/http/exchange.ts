// One request and its one response, whatever the HTTP version. Protocol engines (http1, http2) make
// exchanges; handlers answer them. It is the only thing that travels through all layers, so it names
// no socket, no frame and no worker; a socket only where the exchange is the end of HTTP on it.
//
//   receiving ──respond()/start()──▶ answering ──end()──▶ finished
//        ├────────── abort(), client gone ──────────────────▲
//        └──upgrade()──▶ upgraded ──the socket closes───────┘
//
// Every exchange gets exactly one final answer; calls after it is finished do nothing.

import type { Duplex } from "node:stream";

import type { HttpError } from "./error.ts";
import type { FieldSection } from "./field-section.ts";
import type { RequestHead, ResponseHead } from "./message.ts";

/** Takes the body of a request. A chunk is valid during the call only: what is kept is copied. */
export interface BodyReceiver {
  onBody(chunk: Buffer): void;
  /** The body is whole; trailers were checked and dropped. */
  onBodyEnd(): void;
}

/** What a handler wants to hear while it works on an exchange. */
export interface ExchangeListener {
  /** `write` may go on: the client has taken enough. */
  onDrain(): void;
  /**
   * The client has left. "reset": at once, no answer can reach it. "end": it has closed its sending
   * side after a whole request; a running request is still answered, one that waits may be dropped.
   * An incomplete body also ends here, with "reset".
   */
  onGone(how: "reset" | "end"): void;
}

/** Where the time of a request went; filled by the handler, read by the access log. Milliseconds. */
export interface ExchangeTiming {
  queued: number;
  application: number;
  worker: number;
}

/** A connection that has left HTTP (RFC 9110 §7.8). Whoever has it hears its events and ends it. */
export interface UpgradedStream {
  /** Bytes are valid during "data" only. Its errors are heard by the engine. */
  readonly stream: Duplex;
  /** Bytes that came behind the request. */
  readonly ahead: Buffer;
  /** Bytes since then: those that the kernel has taken, and those that have come. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

export interface Exchange {
  readonly head: RequestHead;
  /** performance.now() when the head was complete, ms. */
  readonly startedAt: number;

  // Who asks, as the connection says; routing/ overwrites these where a trusted proxy says more.
  scheme: "http" | "https" | "ws" | "wss";
  /** Client address without brackets, "" for a Unix socket. */
  remoteAddress: string;
  remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** Set by routing/ before a handler sees the exchange; goes into the response and the log. */
  requestId: string;
  /**
   * Set when a field had to be replaced or removed (forwarded fields, X-Request-ID); handlers read
   * `effectiveHead`.
   */
  effectiveHead: RequestHead;

  readonly timing: ExchangeTiming;
  /**
   * Status of the final answer, 0 before it; bytes of body sent, or of the protocol that came after
   * HTTP; for the log.
   */
  readonly status: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** True once answered or aborted. */
  readonly isFinished: boolean;
  /** True once any byte of the final answer may have reached the client. */
  readonly isAnswering: boolean;

  listener: ExchangeListener | null;
  /** Set by a handler: the connection ends with the answer. */
  isLast: boolean;

  /** Starts the body: sends 100 Continue where it is awaited. At most once; not for bodyLength 0. */
  receive(receiver: BodyReceiver): void;
  /** Stops and restarts the flow of the body (backpressure by the receiver). */
  pauseBody(): void;
  resumeBody(): void;

  /**
   * Sends 103 Early Hints, where the client can take it and reads (RFC 8297): at most MAX_EARLY_HINTS
   * before the answer, each of at most MAX_EARLY_HINT_BYTES.
   */
  hint(fields: FieldSection): void;
  /**
   * The whole answer at once. `body` must have the length that the head declares, if it does. Up to
   * 65,536 bytes of it are the caller's again afterwards; a larger one is kept, and freed when it is
   * sent.
   */
  respond(head: ResponseHead, body: Buffer): void;
  /** A generated answer for an error of the table; closes the connection where `error` says so. */
  fail(error: HttpError): void;
  /** Sends the head of an answer whose body follows. */
  start(head: ResponseHead): void;
  /**
   * Sends body bytes, which are the exchange's from then on. False = more than the high-water mark waits
   * for the client, wait for onDrain. Bytes beyond Content-Length abort the exchange. Bodies of HEAD, 204, 304 are dropped.
   */
  write(chunk: Buffer): boolean;
  /**
   * Ends the body. Fewer bytes than Content-Length abort. `trailers` are sent where the client has asked
   * for them and the answer's framing has room for them, else dropped.
   */
  end(trailers?: FieldSection): void;
  /** Cuts the connection (or resets the stream) so that the client can tell the answer is not whole. */
  abort(): void;
  /**
   * Answers with 101, whose head is given, and leaves HTTP for `protocol`. The exchange is finished when
   * the socket has closed. Null: the client has left, or has an answer.
   */
  upgrade(protocol: string, head: ResponseHead): UpgradedStream | null;
}

/** Answers exchanges. Never throws: a fault of its own becomes `exchange.fail`. */
export interface Handler {
  handle(exchange: Exchange): void;
}
