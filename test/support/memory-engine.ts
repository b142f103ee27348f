// An engine without a wire: requests are objects, responses are what was sent of them. It has no HTTP/1 text
// and no socket, so whatever it can do, an engine of another HTTP version can do with its framing alone.

import { duplexPair, type Duplex } from "node:stream";

import { errorResponse, type HttpError } from "../../src/http/error.ts";
import {
  Exchange,
  type BodyKind,
  type BodyReceiver,
  type ConnectionFacts,
  type ResponseWriter,
  type UpgradedStream,
} from "../../src/http/exchange.ts";
import type { FieldSection } from "../../src/http/field-section.ts";
import {
  HAS_CODING,
  HAS_CONDITION,
  HAS_FORWARDED,
  HAS_REQUEST_ID,
  type RequestHead,
  type ResponseHead,
} from "../../src/http/message.ts";
import { addResponseFields, fixedFields } from "../../src/http/server-fields.ts";

type Field = readonly [name: string, value: string];

export interface MemoryRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly fields: readonly Field[];
  /** 0 = none, null = unknown. */
  readonly bodyLength: number | null;
  readonly protocol: "" | "websocket";
}

/** Of a connection, if a test names no other. */
export const FACTS: ConnectionFacts = {
  tls: null,
  scheme: "https",
  remoteAddress: "192.0.2.1",
  remotePort: 1234,
  localAddress: "192.0.2.2",
  localPort: 443,
};

/** One request on its stream, and all that was sent of its response. */
export class MemoryStream implements ResponseWriter {
  readonly hints: FieldSection[] = [];
  status = 0;
  fields: Field[] = [];
  readonly chunks: Buffer[] = [];
  trailers: FieldSection | null = null;
  state: "open" | "whole" | "reset" | "upgraded" = "open";
  /** The client's end after an upgrade. */
  peer: Duplex | null = null;
  /** The client takes nothing. */
  isFull = false;
  readonly hasRoom = true;
  #exchange: Exchange | null = null;
  #receiver: BodyReceiver | null = null;
  readonly #body: (Buffer | null)[] = [];
  #isPaused = false;
  readonly #onFinish: (exchange: Exchange) => void;
  readonly #facts: ConnectionFacts;

  constructor(onFinish: (exchange: Exchange) => void, facts = FACTS) {
    this.#onFinish = onFinish;
    this.#facts = facts;
  }

  begin(head: RequestHead, onExchange: (exchange: Exchange) => void): void {
    const exchange = new Exchange(head, this.#facts, this);
    this.#exchange = exchange;
    if (!exchange.respondAsServer()) onExchange(exchange);
  }

  /** A piece of the request's body comes; null: its end. */
  push(chunk: Buffer | null): void {
    this.#body.push(chunk);
    this.#deliver();
  }

  /** The client leaves. */
  leave(): void {
    if (this.state === "open" || this.state === "upgraded") this.state = "reset";
    this.#exchange?.lose();
    this.#finish();
  }

  /** The client takes all that waits. */
  drain(): void {
    this.isFull = false;
    this.#exchange?.drain();
  }

  sendEarlyHints(fields: FieldSection): void {
    this.hints.push(fields);
  }

  sendResponse(head: ResponseHead, requestId: string, body: Buffer, length: number): void {
    this.#sendHead(head, requestId);
    if (length >= 0) this.fields.push(["Content-Length", String(length)]);
    this.chunks.push(body);
    this.state = "whole";
    this.#finish();
  }

  sendHead(head: ResponseHead, requestId: string, _body: BodyKind): void {
    this.#sendHead(head, requestId);
  }

  sendBody(chunk: Buffer): boolean {
    this.chunks.push(chunk);
    return !this.isFull;
  }

  sendEnd(trailers: FieldSection | null): void {
    this.trailers = trailers;
    this.state = "whole";
    this.#finish();
  }

  reset(): void {
    this.state = "reset";
    this.peer?.destroy();
    this.#finish();
  }

  receiveBody(receiver: BodyReceiver): void {
    this.#receiver = receiver;
    this.#deliver();
  }

  pauseBody(): void {
    this.#isPaused = true;
  }

  resumeBody(): void {
    this.#isPaused = false;
    this.#deliver();
  }

  upgrade(_protocol: string, head: ResponseHead, requestId: string): UpgradedStream {
    this.#sendHead(head, requestId);
    this.state = "upgraded";
    const [ours, theirs] = duplexPair();
    this.peer = theirs;
    const upgraded = {
      stream: ours,
      takeAhead: () => Buffer.alloc(0),
      bytesSent: 0,
      bytesReceived: 0,
    };
    theirs.on("data", (bytes: Buffer) => (upgraded.bytesSent += bytes.length));
    ours.on("data", (bytes: Buffer) => (upgraded.bytesReceived += bytes.length));
    theirs.on("close", () => ours.destroy());
    ours.on("close", () => this.leave());
    return upgraded;
  }

  #sendHead(head: ResponseHead, requestId: string): void {
    const { names, values } = fixedFields(head);
    const fixed = names.map((name, index): Field => [name, values[index] ?? ""]);
    this.status = head.status;
    const add = (list: Field[], name: string, value: string): Field[] => [...list, [name, value]];
    this.fields = addResponseFields(fixed, add, head, requestId, "");
  }

  #deliver(): void {
    if (this.#receiver === null) return;
    while (!this.#isPaused && this.#body.length > 0) {
      const chunk = this.#body.shift() ?? null;
      if (this.#exchange !== null) this.#exchange.bytesReceived += chunk?.length ?? 0;
      if (chunk === null) this.#receiver.onBodyEnd();
      else this.#receiver.onBody(chunk);
    }
  }

  #finish(): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    if (exchange !== null) this.#onFinish(exchange);
  }

  /** Sends a response where there was no request. */
  refuse(error: HttpError): void {
    const [head, body] = errorResponse(error);
    this.sendResponse(head, "", body, body.length);
  }
}

/** A stream for each request. */
export class MemoryEngine {
  readonly #onExchange: (exchange: Exchange) => void;
  readonly #onFinish: (exchange: Exchange) => void;

  constructor(
    onExchange: (exchange: Exchange) => void,
    onFinish: (exchange: Exchange) => void = () => undefined,
  ) {
    this.#onExchange = onExchange;
    this.#onFinish = onFinish;
  }

  /** A request on a connection of its own. */
  request(request: MemoryRequest, facts: ConnectionFacts = FACTS): MemoryStream {
    const { method, path: target, fields, bodyLength, protocol } = request;
    const [path = "", query = ""] = target.split("?", 2);
    const stream = new MemoryStream(this.#onFinish, facts);
    const names = fields.map(([name]) => name.toLowerCase());
    const head: RequestHead = {
      method,
      target,
      path,
      query,
      version: "2",
      names,
      values: fields.map(([, value]) => value),
      fields:
        (names.some((name) => name.startsWith("x-forwarded-")) ? HAS_FORWARDED : 0) |
        (names.includes("x-request-id") ? HAS_REQUEST_ID : 0) |
        (names.some((name) => name.startsWith("if-")) ? HAS_CONDITION : 0) |
        (names.includes("accept-encoding") ? HAS_CODING : 0),
      bodyLength,
      protocol,
    };
    stream.begin(head, this.#onExchange);
    return stream;
  }

  refuse(error: HttpError): MemoryStream {
    const stream = new MemoryStream(this.#onFinish);
    stream.refuse(error);
    return stream;
  }
}
