// One request and its one response, whatever the HTTP version. A protocol engine makes the exchange with a
// ResponseWriter; handlers respond by the exchange's methods. The exchange decides what a response means:
// whether it has a body, its Content-Length, how many bytes may come, which hints and trailers are sent. The
// engine decides how that is framed. The exchange names no socket and no worker, because it travels through all
// layers.
//
//   receiving ──respond()──────────────────────────────────────────▶ finished
//       │  └────start()──▶ responding ──end()─────────────────────────▲
//       │                      └───────end()──▶ coding ──all is sent──┤
//       ├──────────┴─ abort(), fault, client gone ────────────────────┤
//       └──upgrade()──▶ upgraded ──stream closed──────────────────────┘
//
// Every exchange gets exactly one final response; calls after it is finished do nothing. coding: the handler has
// ended the body, and the rest of it is still on its way through an encoder; for the handler this is finished.

import type { Duplex } from "node:stream";

import type { Coding } from "./content-coding.ts";
import { ALLOW, ERRORS, errorResponse, type HttpError } from "./error.ts";
import {
  MAX_EARLY_HINT_BYTES,
  MAX_EARLY_HINTS,
  sizeOf,
  wantsTrailers,
  type FieldSection,
} from "./field-section.ts";
import { MAX_LOCAL_REDIRECTS, redirectedHead } from "./local-redirect.ts";
import type { RequestHead, ResponseHead } from "./message.ts";
import { mayHaveBody, responseHead } from "./response-head.ts";
import type {
  Appendix,
  BodyCoder,
  CodedBody,
  KeptCodings,
  ResponseAppender,
  ResponsePolicy,
} from "./response-policy.ts";
import type { TlsFacts } from "./tls-facts.ts";

/** Receives a request's body. A chunk is valid during the call only; bytes to keep must be copied. */
export interface BodyReceiver {
  /**
   * True: a running application takes the bytes as they come, so a body may be as slow as its client likes
   * and only silence is too long. Else the server waits for a whole body, which must come at a minimum rate.
   */
  readonly isLive?: boolean;
  /** True: memory is short, so that a read of the client must not bring much at once. */
  readonly readsLittle?: boolean;
  onBody(chunk: Buffer): void;
  /** The body is complete; trailers were checked and dropped. */
  onBodyEnd(): void;
}

/** Events of an exchange, for its handler. */
export interface ExchangeListener {
  /** The handler may write again: the client has taken enough. */
  onDrain(): void;
  /**
   * The client has left. "reset": no response can reach the client any more. "end": the client has closed its
   * sending side after a complete request; a running request still gets its response, a waiting one may be
   * dropped. A request that cannot be completed also ends with "reset".
   */
  onGone(how: "reset" | "end"): void;
}

/** A stream that has left HTTP (RFC 9110 §7.8). The new owner listens to its events and ends it. */
export interface UpgradedStream {
  /** Bytes are valid during "data" only. The engine listens to "error". */
  readonly stream: Duplex;
  /** Returns the bytes that were read after the end of the request, and forgets them. */
  takeAhead(): Buffer;
  /** Bytes of the new protocol: those that the kernel has taken, and those that the client has sent. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
}

/** Both ends of a connection, its scheme, and what its TLS handshake has agreed. */
export interface ConnectionFacts {
  readonly scheme: "http" | "https";
  /** Null without TLS. */
  readonly tls: TlsFacts | null;
  /** The client's address without brackets. A Unix socket has "" and port 0. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
}

/** Where the time of an exchange went, for its log line, and whether it goes on: asked when the exchange has ended. */
export interface Handling {
  /** Number of the process that ran the application; 0 = none, or not known. */
  readonly worker: number;
  /** Milliseconds in the queue, and in the application; null: when a process took the request is not known. */
  readonly queuedMs: number | null;
  readonly runMs: number | null;
  /** Whether the client has left, and a process still has the request. */
  readonly isAbandoned: boolean;
}

/** "none": nothing follows the head. "length": as Content-Length says. "unknown": as the handler writes. */
export type BodyKind = "none" | "length" | "unknown";

/**
 * The engine's side of an exchange: writes the response to the connection or stream. Methods are called in the
 * order of the exchange's states, none after `sendResponse`, `sendEnd` or `reset`, which end the exchange.
 * Heads are sent with the fields of server-fields.ts.
 */
export interface ResponseWriter {
  /** Whether the high-water mark of unsent bytes is reached; `onDrain` follows. */
  readonly isFull: boolean;
  /** Whether responses that wait for their clients find room in memory. */
  readonly hasRoom: boolean;
  /** Sends 103 Early Hints, if the protocol has them. */
  sendEarlyHints(fields: FieldSection): void;
  /** Sends a complete response. `length`: Content-Length to add to the head's fields, -1 = none. */
  sendResponse(head: ResponseHead, requestId: string, body: Buffer, length: number): void;
  /** Sends a head whose body follows. */
  sendHead(head: ResponseHead, requestId: string, body: BodyKind): void;
  /** Sends bytes of the body, whose memory then belongs to the writer. False: `isFull`, `onDrain` follows. */
  sendBody(chunk: Buffer): boolean;
  /** Ends the body. Trailers are dropped where the framing has no room for them. */
  sendEnd(trailers: FieldSection | null): void;
  /** Ends the stream so that the client notices that the response is incomplete. */
  reset(): void;
  /** Starts the request's body; sends 100 Continue if the client waits for it. */
  receiveBody(receiver: BodyReceiver): void;
  pauseBody(): void;
  resumeBody(): void;
  /** Sends the head that switches to `protocol`, and gives the stream to the caller. */
  upgrade(protocol: string, head: ResponseHead, requestId: string): UpgradedStream;
}

/** Responds to exchanges. Never throws: a handler reports its own fault by `exchange.fail`. */
export interface Handler {
  handle(exchange: Exchange): void;
}

const EMPTY = Buffer.alloc(0);
/** A body of `respond` of up to so many bytes belongs to the caller again. */
const CALLERS_BYTES = 65_536;
const OWN_HANDLING: Handling = { worker: 0, queuedMs: 0, runMs: 0, isAbandoned: false };
const SERVER_OPTIONS = responseHead(200, "OK", [ALLOW]);

export class Exchange {
  /** As the client sent it. */
  readonly sentHead: RequestHead;
  /** `sentHead`, or after a local redirect that of the request for the other path. */
  head: RequestHead;
  /** performance.now() when the head was complete, ms. */
  readonly startedAt = performance.now();

  // Scheme and addresses of the connection; routing/ replaces them by those that a trusted proxy names.
  scheme: "http" | "https" | "ws" | "wss";
  remoteAddress: string;
  remotePort: number;
  /** Of the connection; null without TLS. */
  readonly tls: TlsFacts | null;
  /** The other end of the connection; "" on a Unix socket. */
  readonly peerAddress: string;
  readonly localAddress: string;
  readonly localPort: number;
  /** Set by routing/ before a handler sees the exchange; goes into the log, and into a response without one. */
  requestId = "";
  /** The head for handlers: `head`, or a copy with fields replaced or removed (forwarded fields, X-Request-ID). */
  effectiveHead: RequestHead;
  /** The canonical path (routing/canonical-path.ts), by which routes, guards and files are chosen. Set by routing/. */
  path = "";
  /** How many local redirects have led to `head`. */
  redirects = 0;
  /** What the route changes in the response; null = nothing. Set by routing/ before a handler sees the exchange. */
  policy: ResponsePolicy | null = null;
  /** Codes the body of the response; null = bodies are sent as they are. Set before the response begins. */
  coder: BodyCoder | null = null;
  /** Puts bytes behind the body, before it is coded; null = none (in all modes but development). */
  appender: ResponseAppender | null = null;

  /** The user whose password a guard has found right; "" = no guard has. */
  user = "";
  /** Name of the application; "" = the server itself, or the only one. */
  application = "";
  /** Set by a handler that has a process run the exchange. */
  handling: Handling = OWN_HANDLING;
  /** X-Request-ID of the application's own response; "" = none. */
  ownRequestId = "";
  /** Head of the final response, without what the engine adds; null before it. */
  responseHead: ResponseHead | null = null;
  /** Code of the error of this server that is the response; "" = none. */
  errorCode = "";
  /** Status of the final response, 0 before it. */
  status = 0;
  /** Bytes of the response's body, or after an upgrade of the new protocol; for the log. */
  bytesSent = 0;
  /** Bytes of the request's body, or after an upgrade of the new protocol; counted by the engine. */
  bytesReceived = 0;
  listener: ExchangeListener | null = null;

  readonly #writer: ResponseWriter;
  #state: "receiving" | "responding" | "coding" | "upgraded" | "finished" = "receiving";
  /** What the handler writes: its bytes so far, and those that its Content-Length has announced. */
  #body: BodyKind = "none";
  #written = 0;
  #length = 0;
  /** Null: the body is sent as the handler writes it. */
  #codedBody: CodedBody | null = null;
  /** What is to follow a body that comes in pieces. */
  #appendix: Appendix | null = null;
  /** Early hints that have been sent. */
  #hints = 0;
  #upgraded: UpgradedStream | null = null;

  constructor(head: RequestHead, connection: ConnectionFacts, writer: ResponseWriter) {
    this.sentHead = head;
    this.head = head;
    this.effectiveHead = head;
    this.scheme = connection.scheme;
    this.tls = connection.tls;
    this.remoteAddress = connection.remoteAddress;
    this.remotePort = connection.remotePort;
    this.peerAddress = connection.remoteAddress;
    this.localAddress = connection.localAddress;
    this.localPort = connection.localPort;
    this.#writer = writer;
  }

  /** True once the exchange has its complete response or was aborted. */
  get isFinished(): boolean {
    return this.#state === "finished" || this.#state === "coding";
  }

  /** True once any byte of the final response may have reached the client. */
  get isResponding(): boolean {
    return this.#state !== "receiving" && this.status !== 0;
  }

  /** Whether a large response finds room in memory, should its client be slow. */
  get hasRoom(): boolean {
    return this.#writer.hasRoom;
  }

  /** Starts the body: sends 100 Continue if the client waits for it. At most once; not for bodyLength 0. */
  receive(receiver: BodyReceiver): void {
    if (!this.isFinished) this.#writer.receiveBody(receiver);
  }

  /** Stops the flow of the body (backpressure by the receiver). */
  pauseBody(): void {
    if (!this.isFinished) this.#writer.pauseBody();
  }

  /** Restarts the flow of the body. */
  resumeBody(): void {
    if (!this.isFinished) this.#writer.resumeBody();
  }

  /**
   * Sends 103 Early Hints (RFC 8297), at most MAX_EARLY_HINTS before the response, each of at most
   * MAX_EARLY_HINT_BYTES. No hint is sent to a client that does not read.
   */
  hint(fields: FieldSection): void {
    if (this.#state !== "receiving" || this.#writer.isFull) return;
    if (this.#hints >= MAX_EARLY_HINTS || sizeOf(fields) > MAX_EARLY_HINT_BYTES) return;
    this.#hints += 1;
    this.#writer.sendEarlyHints(fields);
  }

  /**
   * Sends a complete response. If the head has a Content-Length, `body` must have that length. A body of up to
   * 65,536 bytes belongs to the caller again afterwards; the memory of a larger one is freed when it is sent, unless
   * it shares its memory (keptCopy of net/buffer-pool.ts).
   * `kept`: coded forms of the body.
   */
  respond(first: ResponseHead, body: Buffer, kept: KeptCodings | null = null): void {
    if (this.#state !== "receiving") return;
    const head = this.policy === null ? first : this.policy.changeHead(first);
    const hasBody = mayHaveBody(this.head.method, head.status);
    if (this.#opensTunnel(head)) this.fail(ERRORS.WEBSOCKET_DENIED);
    else if (hasBody && head.contentLength !== null && head.contentLength !== body.length)
      this.fail(ERRORS.RESPONSE_INVALID);
    else {
      const appendix = this.appender?.appendTo(head, this.head.method) ?? null;
      if (appendix?.fits(body) !== true) this.#respondWhole(head, body, hasBody, kept);
      else if (appendix.bytes.length === 0) this.#respondWhole(appendix.head, body, hasBody, kept);
      else this.#respondWhole(appendix.head, Buffer.concat([body, appendix.bytes]), hasBody, null);
    }
  }

  #respondWhole(
    head: ResponseHead,
    body: Buffer,
    hasBody: boolean,
    kept: KeptCodings | null,
  ): void {
    if (this.coder === null) this.#respond(head, body, hasBody);
    else this.#respondCoded(this.coder, head, body, kept);
  }

  #respond(head: ResponseHead, body: Buffer, hasBody: boolean): void {
    this.status = head.status;
    this.ownRequestId = head.requestId;
    this.responseHead = head;
    this.#state = "finished";
    if (hasBody) this.bytesSent = body.length;
    const length = this.#statedLength(head, body.length, hasBody);
    this.#writer.sendResponse(head, this.requestId, hasBody ? body : EMPTY, length);
  }

  #respondCoded(
    coder: BodyCoder,
    first: ResponseHead,
    body: Buffer,
    kept: KeptCodings | null,
  ): void {
    const hasBody = mayHaveBody(this.head.method, first.status);
    const length = hasBody || body.length > 0 ? body.length : (first.contentLength ?? -1);
    const { coding, head, identity } = coder.choose(first, this.head, length);
    if (coding === "identity" || body.length === 0) {
      this.#respond(head, body, hasBody);
      return;
    }
    const coded = kept?.get(coding) ?? coder.encodeNow(coding, body);
    // The response to HEAD need not say the length.
    if (coded !== null || !hasBody) this.#respond(head, coded ?? EMPTY, hasBody);
    else {
      const codedBody = this.#openCodedBody(coder, coding);
      if (codedBody === null) {
        this.#respond(identity, body, true);
        return;
      }
      this.#sendHead(head, "unknown");
      codedBody.write(body.length <= CALLERS_BYTES ? Buffer.from(body) : body);
      this.#endCoded(codedBody, null);
    }
  }

  /** Responds with an error of the table. */
  fail(error: HttpError): void {
    if (this.#state !== "receiving") return;
    this.errorCode = error.code;
    const page = this.policy?.errorPage(error) ?? this.appender?.errorPage(error) ?? null;
    const [head, body] = page ?? errorResponse(error);
    this.respond(head, body);
  }

  /**
   * Becomes a request for another path of this server, which is to be routed anew: a local redirect (RFC 3875
   * §6.2.2). The handler has received the body. False: there were too many, or a response has begun.
   */
  redirect(path: string, query: string): boolean {
    if (this.#state !== "receiving" || this.redirects === MAX_LOCAL_REDIRECTS) return false;
    this.redirects += 1;
    this.head = redirectedHead(this.head, path, query);
    this.effectiveHead = redirectedHead(this.effectiveHead, path, query);
    // What the first route has found out and set.
    this.user = "";
    this.application = "";
    this.policy = null;
    this.coder = null;
    this.appender = null;
    this.listener = null;
    return true;
  }

  /**
   * Responds to requests that no handler gets: `OPTIONS *` (RFC 9110 §9.3.7), and TRACE, whose response would
   * show the client its cookies and the fields that proxies add. False: the request is for a handler.
   */
  respondAsServer(): boolean {
    if (this.head.path === "*") this.respond(SERVER_OPTIONS, EMPTY);
    else if (this.head.method === "TRACE") this.fail(ERRORS.METHOD_TRACE);
    else return false;
    return true;
  }

  /** Sends the head of a response whose body follows. */
  start(first: ResponseHead): void {
    if (this.#state !== "receiving") return;
    const changed = this.policy === null ? first : this.policy.changeHead(first);
    this.#appendix = this.appender?.appendTo(changed, this.head.method) ?? null;
    const head = this.#appendix?.head ?? changed;
    if (this.#opensTunnel(head)) {
      this.fail(ERRORS.WEBSOCKET_DENIED);
      return;
    }
    if (!mayHaveBody(this.head.method, head.status)) this.#body = "none";
    else this.#body = head.contentLength === null ? "unknown" : "length";
    this.#length = head.contentLength ?? 0;
    if (this.coder === null) this.#sendHead(head, this.#body);
    else this.#startCoded(this.coder, head);
  }

  #startCoded(coder: BodyCoder, first: ResponseHead): void {
    const length = first.contentLength ?? -1;
    const { coding, head, identity } = coder.choose(first, this.head, length);
    if (coding === "identity" || this.#body === "none") this.#sendHead(head, this.#body);
    else if (this.#openCodedBody(coder, coding) === null) this.#sendHead(identity, this.#body);
    else this.#sendHead(head, "unknown");
  }

  #sendHead(head: ResponseHead, body: BodyKind): void {
    this.status = head.status;
    this.ownRequestId = head.requestId;
    this.responseHead = head;
    this.#state = "responding";
    this.#writer.sendHead(head, this.requestId, body);
  }

  /** Null: too many bodies are coded at this time. */
  #openCodedBody(coder: BodyCoder, coding: Coding): CodedBody | null {
    this.#codedBody = coder.open(coding, {
      send: (bytes) => {
        this.bytesSent += bytes.length;
        return this.#writer.sendBody(bytes);
      },
      onRoom: () => this.listener?.onDrain(),
      onError: () => {
        const isKnown = this.isFinished;
        this.#reset();
        if (!isKnown) this.listener?.onGone("reset");
      },
    });
    return this.#codedBody;
  }

  /**
   * Sends bytes of the body, whose memory then belongs to the exchange. False: the high-water mark of unsent
   * bytes is reached, wait for onDrain. Bytes beyond Content-Length abort the exchange. Bodies of HEAD, 204,
   * 304 are dropped.
   */
  write(chunk: Buffer): boolean {
    if (this.#state !== "responding") return true;
    if (this.#body === "none" || chunk.length === 0) return !this.#writer.isFull;
    if (this.#appendix !== null && this.#written === 0 && !this.#appendix.fits(chunk))
      this.#appendix = null;
    this.#written += chunk.length;
    if (this.#body === "length" && this.#written > this.#length) {
      this.abort();
      return true;
    }
    if (this.#codedBody !== null) return this.#codedBody.write(chunk);
    this.bytesSent += chunk.length;
    return this.#writer.sendBody(chunk);
  }

  /**
   * Ends the body; aborts the exchange if fewer bytes than Content-Length were written. `trailers` are sent if
   * the client accepts trailers and the framing has room for them, else dropped.
   */
  end(trailers: FieldSection | null = null): void {
    if (this.#state !== "responding") return;
    if (this.#appendix !== null) this.#writeAppendix(this.#appendix);
    if (this.#body === "length" && this.#written < this.#length) {
      this.abort();
      return;
    }
    const sent = trailers !== null && wantsTrailers(this.head) ? trailers : null;
    if (this.#codedBody === null) this.#sendEnd(sent);
    else this.#endCoded(this.#codedBody, sent);
  }

  #writeAppendix(appendix: Appendix): void {
    this.#appendix = null;
    // Nothing was there by which an empty body could be judged.
    if (this.#written > 0 || appendix.fits(EMPTY)) this.write(appendix.bytes);
  }

  #endCoded(body: CodedBody, trailers: FieldSection | null): void {
    this.#state = "coding";
    body.end(() => this.#sendEnd(trailers));
  }

  #sendEnd(trailers: FieldSection | null): void {
    this.#state = "finished";
    this.#writer.sendEnd(trailers);
  }

  /** Ends the exchange so that the client notices that the response is incomplete. */
  abort(): void {
    if (!this.isFinished) this.#reset();
  }

  /**
   * Sends the head that switches to the request's `protocol` (101 in HTTP/1.1). The exchange is finished when
   * the stream has closed. Null: the client has left, or a response has begun.
   */
  upgrade(head: ResponseHead): UpgradedStream | null {
    if (this.#state !== "receiving" || this.head.protocol === "") return null;
    this.status = head.status;
    this.ownRequestId = head.requestId;
    this.responseHead = head;
    this.#state = "upgraded";
    this.#upgraded = this.#writer.upgrade(this.head.protocol, head, this.requestId);
    return this.#upgraded;
  }

  /** For the engine: the client has taken enough. */
  drain(): void {
    if (this.#codedBody === null) this.listener?.onDrain();
    else this.#codedBody.drain();
  }

  /** For the engine: the connection or stream has ended. Tells the handler of an unfinished exchange. */
  lose(): void {
    if (this.#state === "finished") return;
    const isKnown = this.isFinished;
    this.#finish();
    if (!isKnown) this.listener?.onGone("reset");
  }

  /**
   * For the engine: the request cannot be completed. Responds with the error, if that is still possible,
   * and tells the handler.
   */
  refuse(error: HttpError): void {
    const { listener } = this;
    // The response must not wait for an encoder: the connection ends.
    this.coder = null;
    if (this.#state === "receiving") this.fail(error);
    else if (this.#state !== "finished") this.#reset();
    listener?.onGone("reset");
  }

  #reset(): void {
    this.#finish();
    this.#writer.reset();
  }

  #finish(): void {
    this.#state = "finished";
    this.#codedBody?.destroy();
    if (this.#upgraded === null) return;
    this.bytesSent = this.#upgraded.bytesSent;
    this.bytesReceived = this.#upgraded.bytesReceived;
  }

  /**
   * Whether an ordinary response would be read as acceptance of a handshake: any 2xx to CONNECT, which is the method
   * of handshakes in HTTP/2 (RFC 9110 §9.3.6, RFC 8441 §5).
   */
  #opensTunnel({ status }: ResponseHead): boolean {
    return status < 300 && this.head.method === "CONNECT";
  }

  /** Returns the Content-Length to add to the head's fields; -1 = none. RFC 9110 §8.6. */
  #statedLength(head: ResponseHead, length: number, hasBody: boolean): number {
    if (head.contentLength !== null) return -1;
    if (hasBody) return length;
    // Without a body in response to HEAD, the length of the response to GET is unknown.
    const isKnown = length > 0 && head.status !== 204 && head.status !== 304;
    return isKnown && this.head.method === "HEAD" ? length : -1;
  }
}
