// What a client's frames say, one call each: whole messages, control frames, and the one that is the last,
// be it a close frame or one that no client may send. The library reads them; its limits are ours.

import { CloseCode, closeCodeOf } from "./close-code.ts";
import { extensionsOf, TOO_LARGE, type Deflate } from "./deflate.ts";
import { Receiver } from "./library.ts";
import { MAX_FRAGMENTS, MAX_READS_A_FRAME } from "./limits.ts";

export interface FrameListener {
  /** A whole message; the bytes are the listener's. */
  onText(bytes: Buffer): void;
  onBinary(bytes: Buffer): void;
  onPing(payload: Buffer): void;
  onPong(payload: Buffer): void;
  /** Nothing more is read. `code`: the client's, 1005 where it gave none; ours, where it did what it may not. */
  onLast(code: number, reason: string): void;
}

/** What cannot be compressed becomes longer: by a seventh at most, and five bytes a frame (zlib's deflateBound). */
function maxWireBytes(maxMessageBytes: number): number {
  return Math.ceil((maxMessageBytes * 8) / 7) + 5 * MAX_FRAGMENTS;
}

/** A reader of one client's frames. `maxMessageBytes`: inflated. */
export function openFrameReader(
  listener: FrameListener,
  deflate: Deflate | null,
  maxMessageBytes: number,
): Receiver {
  const receiver = new Receiver({
    isServer: true,
    extensions: extensionsOf(deflate),
    maxPayload: deflate === null ? maxMessageBytes : maxWireBytes(maxMessageBytes),
    maxFragments: MAX_FRAGMENTS,
    maxBufferedChunks: MAX_READS_A_FRAME,
  });
  receiver.on("message", (bytes: Buffer, isBinary: boolean) => {
    if (bytes.length > maxMessageBytes) listener.onLast(CloseCode.TOO_BIG, TOO_LARGE);
    else if (isBinary) listener.onBinary(bytes);
    else listener.onText(bytes);
  });
  receiver.on("ping", (payload: Buffer) => listener.onPing(payload));
  receiver.on("pong", (payload: Buffer) => listener.onPong(payload));
  receiver.on("conclude", (code: number, reason: Buffer) =>
    listener.onLast(code, reason.toString("utf8")),
  );
  receiver.on("error", (error: Error) => listener.onLast(closeCodeOf(error), error.message));
  return receiver;
}
