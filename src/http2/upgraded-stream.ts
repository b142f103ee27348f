// The bytes of a stream that carries another protocol (RFC 8441 §5), as a duplex stream. Its backpressure is that
// of the stream's windows: bytes of the client that nobody takes wait in the stream, and a write calls back when
// its bytes are in frames that are being written.

import { Duplex } from "node:stream";

import type { UpgradedStream } from "../http/exchange.ts";

/** The stream underneath. */
export interface Tunnel {
  /** Sends bytes; false: they are read until `onDrained`. */
  send(bytes: Buffer): boolean;
  endOutput(): void;
  /** Returns the bytes that came before the upgrade. */
  takeAhead(): Buffer;
  /** Removes and returns bytes of the client that wait; null: none. They count as taken. */
  shiftInput(): Buffer | null;
  /** Whether the client has ended its side. */
  readonly isInputWhole: boolean;
  /** The duplex stream is closed. */
  onTunnelClosed(): void;
}

export class UpgradedHttp2Stream extends Duplex implements UpgradedStream {
  readonly stream = this;
  bytesSent = 0;
  bytesReceived = 0;
  readonly #tunnel: Tunnel;
  /** Callback of the write whose bytes wait. */
  #onWritten: ((error?: Error | null) => void) | null = null;
  #hasEnded = false;

  constructor(tunnel: Tunnel) {
    super({ emitClose: true });
    this.#tunnel = tunnel;
    // The owner listens to "close".
    this.on("error", () => undefined);
  }

  /** Whether bytes can be passed on as they come. */
  get isFlowing(): boolean {
    return this.readableFlowing === true;
  }

  takeAhead(): Buffer {
    const ahead = this.#tunnel.takeAhead();
    this.bytesReceived += ahead.length;
    return ahead;
  }

  /** Bytes of the client, valid during the call only; only while `isFlowing`. */
  receive(bytes: Buffer): void {
    this.bytesReceived += bytes.length;
    this.emit("data", bytes);
  }

  /** Passes on the bytes that wait, and the end behind them. */
  deliver(): void {
    while (this.isFlowing) {
      const bytes = this.#tunnel.shiftInput();
      if (bytes === null) break;
      this.receive(bytes);
    }
    if (!this.isFlowing || !this.#tunnel.isInputWhole || this.#hasEnded) return;
    this.#hasEnded = true;
    this.push(null);
  }

  /** The bytes of the last write are in frames. */
  onDrained(): void {
    const onWritten = this.#onWritten;
    this.#onWritten = null;
    onWritten?.();
  }

  override resume(): this {
    super.resume();
    process.nextTick(() => this.deliver());
    return this;
  }

  override _read(): void {
    // Bytes come by `receive`.
  }

  override _write(
    bytes: Buffer,
    _encoding: BufferEncoding,
    onWritten: (error?: Error | null) => void,
  ): void {
    this.bytesSent += bytes.length;
    if (this.#tunnel.send(bytes)) onWritten();
    else this.#onWritten = onWritten;
  }

  override _final(onEnd: (error?: Error | null) => void): void {
    this.#tunnel.endOutput();
    onEnd();
  }

  override _destroy(error: Error | null, onDestroyed: (error?: Error | null) => void): void {
    const onWritten = this.#onWritten;
    this.#onWritten = null;
    this.#tunnel.onTunnelClosed();
    onWritten?.(error ?? new Error("the stream is closed"));
    onDestroyed(error);
  }
}
