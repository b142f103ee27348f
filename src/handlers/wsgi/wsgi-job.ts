// A request of a WSGI application: its body is received before a worker hears of it, and its answer is
// taken from the worker as fast as it comes, into memory and then a file where the client is slower. So a
// slow client holds no thread, in either direction.

import { ERRORS } from "../../http/error.ts";
import { Spool } from "../../net/spool.ts";
import { ApplicationJob } from "../python/application-job.ts";
import { RequestBody, type ReceivedBody } from "./request-body.ts";

/** Credit is given back in steps of at least this: a frame for each chunk would double the frames. */
const CREDIT_STEP_BYTES = 262_144;

export class WsgiJob extends ApplicationJob {
  #received: RequestBody | null = null;
  #spool: Spool | null = null;
  /** Bytes accepted and not yet given back as credit. */
  #accepted = 0;

  /** Receives the body, if there is one, and goes into the queue. */
  begin(): void {
    const { exchange } = this;
    if (exchange.head.bodyLength === 0) {
      this.submit("", "");
      return;
    }
    this.#received = new RequestBody(
      exchange,
      this.context,
      (body) => this.#onBodyReceived(body),
      (error) => this.#onStoreFailure(error),
    );
    exchange.receive(this.#received);
  }

  isHeldByClient(): boolean {
    return this.#spool?.isHeld ?? false;
  }

  onDrain(): void {
    this.#spool?.drain();
  }

  onGone(how: "reset" | "end"): void {
    // Close and half-close look alike (DESIGN: when has a client left?): what runs is still answered,
    // what waits is dropped a little later.
    if (how === "end") this.dropSoon();
    else this.abandon();
  }

  // Straight through while the client keeps up; the spool comes with the first bytes that have to wait.
  protected forward(bytes: Buffer): void {
    if (this.#spool !== null) {
      this.#spool.push(bytes);
      return;
    }
    const { length } = bytes;
    const isFlowing = this.write(bytes);
    if (isFlowing === null) return;
    this.#accept(length);
    if (!isFlowing) this.#spool = this.#openSpool();
  }

  protected finish(): void {
    if (this.#spool === null) this.#endAnswer();
    else this.#spool.end();
  }

  protected release(): void {
    this.#received?.release();
    this.#spool?.destroy();
    this.#spool = null;
  }

  #onBodyReceived(body: ReceivedBody): void {
    this.body = body.bytes;
    this.isBodyInFile = body.file !== null;
    const isLengthKnown = this.exchange.head.bodyLength !== null;
    this.submit(isLengthKnown ? "" : String(body.length), body.file ?? "");
  }

  #openSpool(): Spool {
    const { exchange } = this;
    return new Spool({
      folder: this.context.folder,
      budget: this.context.budget,
      maxFileBytes: this.context.maxResponseSpill,
      write: (chunk) => exchange.write(chunk),
      end: () => this.#endAnswer(),
      accept: (bytes) => this.#accept(bytes),
      fail: (error) => this.#onStoreFailure(error),
    });
  }

  #accept(bytes: number): void {
    this.#accepted += bytes;
    if (this.#accepted < CREDIT_STEP_BYTES) return;
    this.context.pool.credit(this, this.#accepted);
    this.#accepted = 0;
  }

  #endAnswer(): void {
    this.end();
    this.exchange.end();
  }

  #onStoreFailure(error: Error): void {
    this.context.onStoreFailure(this.exchange, error);
    this.context.pool.cancel(this);
    this.fail(ERRORS.SPILL_FAILED);
  }
}
