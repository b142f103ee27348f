// A request of an ASGI application: it goes into the queue when its head is there. A small body that came
// with the head goes along; any other streams while the request runs, when the application asks for it,
// and waits with the client while the application does not read. An answer is taken from the worker as
// fast as the client takes it.

import type { FieldSection } from "../../http/field-section.ts";
import { HAS_EXPECT } from "../../http/message.ts";
import { ApplicationJob } from "../python/application-job.ts";
import type { ConnectionFields } from "../python/response-record.ts";
import { RequestStream } from "./request-stream.ts";

/** A body up to here may go along in the page; more would not fit beside a usual head. */
const MAX_INLINE_BYTES = 2048;

export class AsgiJob extends ApplicationJob {
  #stream: RequestStream | null = null;
  /** Bytes given to a client that had enough: credit for the worker when it has taken them. */
  #owed = 0;
  #isFlowing = true;

  protected override get connectionFields(): ConnectionFields {
    return "drop";
  }

  begin(): void {
    const { head } = this.exchange;
    const { bodyLength } = head;
    if (bodyLength === 0) {
      this.submit("", "");
      return;
    }
    const stream = new RequestStream(this.exchange);
    this.#stream = stream;
    const isSmall = bodyLength !== null && bodyLength <= MAX_INLINE_BYTES;
    // Who awaits 100 Continue gets it when the application wants the body.
    if (isSmall && (head.fields & HAS_EXPECT) === 0) {
      stream.open();
      // What has come with the head is there when this turn is over.
      queueMicrotask(() => this.#go(stream));
    } else this.#go(stream);
  }

  isHeldByClient(): boolean {
    return !this.#isFlowing;
  }

  override onBodyWanted(send: (piece: Buffer, isLast: boolean) => void): void {
    this.#stream?.flow(send);
  }

  override onBodyRead(bytes: number): void {
    this.#stream?.grant(bytes);
  }

  onDrain(): void {
    this.#isFlowing = true;
    const owed = this.#owed;
    this.#owed = 0;
    if (owed > 0) this.context.pool.credit(this, owed);
  }

  onGone(how: "reset" | "end"): void {
    if (how === "reset") return this.abandon();
    this.context.pool.halfClose(this, false);
    this.dropSoon();
  }

  protected forward(bytes: Buffer): void {
    const { length } = bytes;
    const isFlowing = this.write(bytes);
    if (isFlowing === null) return;
    this.#isFlowing = isFlowing;
    this.#owed += length;
    if (isFlowing && this.#owed >= CREDIT_STEP_BYTES) this.onDrain();
  }

  protected finish(trailers?: FieldSection): void {
    this.end();
    this.exchange.end(trailers);
  }

  protected release(): void {
    this.#stream?.close();
  }

  #go(stream: RequestStream): void {
    // The client may have left in this turn.
    if (this.exchange.isFinished || this.state !== "new") return;
    this.body = stream.takeWhole();
    this.isBodyStreamed = this.body === null;
    this.submit("", "");
  }
}

/** Credit is given back in steps of at least this: a frame for each chunk would double the frames. */
const CREDIT_STEP_BYTES = 65_536;
