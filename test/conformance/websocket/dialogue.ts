// One case of the WebSocket list: what a client sends, frame by frame, what it must hear, and how the
// connection ends. Run against the real command with an ASGI application that sends back what it gets.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";

import type { Address } from "../../support/raw-client.ts";
import { close, FrameClient, Opcode, type Frame } from "../../websocket/frames.ts";

/** Frames in one write; bytes in writes of `size`; or wait until so many events were heard in all. */
export type Step = Buffer | { readonly chop: Buffer; readonly size: number } | number;

export interface Dialogue {
  /** A sentence. */
  readonly name: string;
  readonly send: readonly Step[];
  /** Messages and pongs, in this order: `heard("text", "hello")`. */
  readonly hear: readonly string[];
  /** The code of the server's close frame; "ours": all is well, we close with 1000 and so does it. */
  readonly end: number | "ours";
}

type Kind = "text" | "binary" | "pong" | "close";

/** How an event is told: its kind and its bytes, long ones by their length and a digest. */
export function heard(kind: Kind, payload: string | Buffer): string {
  const bytes = Buffer.from(payload);
  if (bytes.length <= 100) return `${kind} ${bytes.toString("latin1")}`;
  return `${kind} of ${bytes.length} bytes, ${createHash("sha1").update(bytes).digest("hex")}`;
}

/** A WebSocket on which messages are heard whole. */
export class Speaker {
  readonly client: FrameClient;
  readonly #pieces: Frame[] = [];

  constructor(client: FrameClient) {
    this.client = client;
  }

  /** `fields`: whole lines beside the handshake's own. */
  static async open(address: Address, fields = ""): Promise<Speaker> {
    return new Speaker(await FrameClient.open(address, fields));
  }

  async take(step: Step, soFar: string[]): Promise<void> {
    if (typeof step === "number") await this.hear(step, soFar);
    else if (Buffer.isBuffer(step)) await this.client.raw.send(step);
    else await this.client.chop(step.chop, step.size);
  }

  /** Listens until `soFar` holds `count` events. */
  async hear(count: number, soFar: string[]): Promise<void> {
    while (soFar.length < count) soFar.push(await this.next());
  }

  /** The next message, pong or close frame. */
  async next(): Promise<string> {
    for (;;) {
      const frame = await this.client.read();
      const { opcode, payload } = frame;
      assert.equal(frame.rsv, 0, "no reserved bits");
      if (opcode === Opcode.PONG) return heard("pong", payload);
      if (opcode === Opcode.CLOSE) return heard("close", payload);
      if (opcode !== Opcode.PING) {
        const [first = frame] = this.#pieces;
        assert.equal(opcode === Opcode.CONTINUATION, this.#pieces.length > 0, "fragments in order");
        this.#pieces.push(frame);
        if (frame.fin) return this.#join(first);
      }
    }
  }

  #join(first: Frame): string {
    const pieces = this.#pieces.splice(0).map(({ payload }) => payload);
    return heard(first.opcode === Opcode.TEXT ? "text" : "binary", Buffer.concat(pieces));
  }
}

/** Runs one case on a connection of its own. */
export async function run(address: Address, dialogue: Dialogue): Promise<void> {
  const speaker = await Speaker.open(address);
  try {
    const events: string[] = [];
    for (const step of dialogue.send) await speaker.take(step, events);
    await speaker.hear(dialogue.hear.length, events);
    assert.deepEqual(events, dialogue.hear);
    if (dialogue.end === "ours") speaker.client.send(close(1000));
    const code = await speaker.client.readClose();
    assert.equal(code, dialogue.end === "ours" ? 1000 : dialogue.end, "the close frame's code");
    assert.equal(speaker.client.raw.state, "ended", "closed, not reset");
  } finally {
    speaker.client.destroy();
  }
}
