// Compression of the responses of a route: joins the rules of heads (http/coded-head.ts) and the encoders of net/.
// A short whole body is coded in this thread and has its exact length; longer ones and streams go through other
// threads.

import { chooseCodedHead } from "../../http/coded-head.ts";
import type { Coding } from "../../http/content-coding.ts";
import type { Exchange, Handler } from "../../http/exchange.ts";
import type { BodyCoder, CodedBody, CodedBodySink } from "../../http/response-policy.ts";
import { BodyEncoder } from "../../net/body-encoder.ts";
import { encodeNow } from "../../net/encoders.ts";
import { TurnBudget } from "../../net/turn-budget.ts";

/**
 * Whole bodies of up to so many bytes are coded in this thread: 30–70 µs of CPU time, where the way to another
 * thread and back takes 20–40 µs by itself.
 */
export const ENCODE_NOW_BYTES = 32_768;
/** Bytes of all bodies that are coded in this thread in one turn of the event loop: about 0.3 ms. */
export const ENCODE_TURN_BYTES = 131_072;

const turn = new TurnBudget(ENCODE_TURN_BYTES);

const bodyCoder: BodyCoder = {
  choose: chooseCodedHead,
  encodeNow: (coding: Coding, body: Buffer): Buffer | null => {
    if (body.length > ENCODE_NOW_BYTES || !turn.hasRoom) return null;
    turn.charge(body.length);
    return encodeNow(coding, body);
  },
  open: (coding: Coding, sink: CodedBodySink): CodedBody | null =>
    BodyEncoder.hasRoom ? new BodyEncoder(coding, sink) : null,
};

/** A handler whose responses are compressed where the client accepts a coding and the type is worth it. */
export class CompressingHandler implements Handler {
  readonly #inner: Handler;

  constructor(inner: Handler) {
    this.#inner = inner;
  }

  handle(exchange: Exchange): void {
    exchange.coder = bodyCoder;
    this.#inner.handle(exchange);
  }
}
