// What a route changes in the responses of its handler: fields, the pages of errors, the coding of bodies. A
// routing handler sets the policy of an exchange before the route's own handler sees the exchange; the exchange
// asks the policy when a response begins.

import type { CodedHead } from "./coded-head.ts";
import type { Coding } from "./content-coding.ts";
import type { HttpError } from "./error.ts";
import type { RequestHead, ResponseHead } from "./message.ts";

export interface ResponsePolicy {
  /** The page in place of the usual text of an error that the server itself responds with; null: the usual text. */
  errorPage(error: HttpError): readonly [head: ResponseHead, body: Buffer] | null;
  /** The head to send in place of `head`; the same object where nothing changes. */
  changeHead(head: ResponseHead): ResponseHead;
}

/** Puts bytes behind the bodies of responses (development). */
export interface ResponseAppender {
  /** A page that can have them, in place of the usual text of an error; null: the usual text. */
  errorPage(error: HttpError): readonly [head: ResponseHead, body: Buffer] | null;
  /** Null: a response with this head to this method stays as it is. */
  appendTo(head: ResponseHead, method: string): Appendix | null;
}

export interface Appendix {
  /** The head to send, with the whole length where that is known. */
  readonly head: ResponseHead;
  /** May be empty: the head alone changes. */
  readonly bytes: Buffer;
  /** Whether the bytes belong behind a body that begins so. */
  fits(begin: Buffer): boolean;
}

/** Codes the bodies of responses (Content-Encoding). */
export interface BodyCoder {
  /** `length`: bytes of the body, -1 = not known. */
  choose(head: ResponseHead, request: RequestHead, length: number): CodedHead;
  /** Codes a whole body at once. Null: the body is too long, or too much was coded in this turn. */
  encodeNow(coding: Coding, body: Buffer): Buffer | null;
  /** Begins to code a body in pieces. Null: too many bodies are coded at this time. */
  open(coding: Coding, sink: CodedBodySink): CodedBody | null;
}

/** A body on its way through an encoder. */
export interface CodedBody {
  /** Takes a chunk and its memory over. False: wait for `onRoom`. */
  write(chunk: Buffer): boolean;
  /** Nothing more will be written. `onEnd`: all bytes were coded and sent. */
  end(onEnd: () => void): void;
  /** The sink has room again. */
  drain(): void;
  /** Drops what was not sent. */
  destroy(): void;
}

/** Where a coded body goes, and who hears of it. */
export interface CodedBodySink {
  /** Takes coded bytes. False: no more room, until `drain` is called. */
  send(bytes: Buffer): boolean;
  /** `write` may be called again. */
  onRoom(): void;
  /** The body cannot be completed. */
  onError(): void;
}

/** The coded forms of one body, kept for further requests. */
export interface KeptCodings {
  /** Null: this form is not there, or not yet. */
  get(coding: Coding): Buffer | null;
}
