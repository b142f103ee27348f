// What a worker hears of the client of one WebSocket: pieces of messages, and how the connection ended.

import { encodeFrame, FrameType } from "./frame.ts";

export class WebSocketLink {
  readonly #id: number;
  readonly #send: (frame: Buffer) => void;

  /** `id`: the job's. `send` sends a whole frame to its worker, or drops it when the job has ended. */
  constructor(id: number, send: (frame: Buffer) => void) {
    this.#id = id;
    this.#send = send;
  }

  /** A piece of a message, at most INPUT_FRAME_BYTES. */
  sendPiece(piece: Buffer, isText: boolean, isEnd: boolean): void {
    const type = isText ? FrameType.WS_TEXT_IN : FrameType.WS_BINARY_IN;
    this.#send(encodeFrame(type, this.#id, piece, { isEnd }));
  }

  /**
   * The connection has ended. `code`: 1005 if the client gave none, 1006 if the connection was cut.
   * `mayAnswer`: the application may still send answers to earlier messages.
   */
  sendClosed(code: number, reason: string, mayAnswer = false): void {
    const fields = { count: code, isEnd: mayAnswer };
    this.#send(encodeFrame(FrameType.WS_CLOSED, this.#id, Buffer.from(reason), fields));
  }
}
