// A client that asks for something large, reads a part of it and then waits, as a phone in a tunnel does.

import { within } from "../../test/support/deadline.ts";
import { PATIENCE_MS } from "./client.ts";
import { openConnection, type ClientSocket } from "./transport.ts";

export class SlowReader {
  readonly #socket: ClientSocket;
  readonly #begun = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  #head = "";
  /** Bytes of the body so far. */
  received = 0;

  /** Asks, reads the head and `first` bytes of the body, and waits. */
  constructor(port: number, request: string, first: number) {
    this.#socket = openConnection(port);
    this.#socket.on("data", (bytes: Buffer) => {
      this.#take(bytes);
      if (this.received < first) return;
      this.#begun.resolve();
      this.#socket.pause();
    });
    this.#socket.on("error", () => undefined); // "close" follows and says all.
    this.#socket.on("close", () => {
      this.#begun.resolve();
      this.#ended.resolve();
    });
    this.#socket.write(request);
  }

  get status(): number {
    return Number(this.#head.slice(9, 12));
  }

  /** What the head says of the body's length; NaN without a head. */
  get declared(): number {
    return Number(/\r\ncontent-length: *(\d+)/i.exec(this.#head)?.[1]);
  }

  get isWhole(): boolean {
    return this.received === this.declared;
  }

  /** Resolves when the first bytes have come, or nothing more will come. */
  async begins(): Promise<void> {
    await within(PATIENCE_MS, this.#begun.promise, "the first bytes of a response");
  }

  /** Reads on until the response is whole, the server closes, or nothing more comes. */
  async readOn(): Promise<void> {
    this.#socket.removeAllListeners("data");
    this.#socket.on("data", (bytes: Buffer) => {
      this.#take(bytes);
      if (this.received >= this.declared) this.#ended.resolve();
    });
    this.#socket.resume();
    await within(PATIENCE_MS, this.#ended.promise, "the end of a response");
    this.leave();
  }

  leave(): void {
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    if (this.#head.endsWith("\r\n\r\n")) {
      this.received += bytes.length;
      return;
    }
    const text = this.#head + bytes.toString("latin1");
    const end = text.indexOf("\r\n\r\n");
    this.#head = end < 0 ? text : text.slice(0, end + 4);
    if (end >= 0) this.received += text.length - end - 4;
  }
}
