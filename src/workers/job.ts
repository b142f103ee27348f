// A request on its way through the queue and a worker, as the pool sees it: a record to write, a body
// to hand over, and somebody to tell what became of it. Handlers extend it; the pool knows no HTTP.
//
//   new ─submit─▶ waiting ─page written─▶ queued ─HEAD─▶ answering ─last frame─▶ done
//                    │                      └──cancel──────────┴──▶ abandoned ──────▲
//                    └── full, expired, cancelled, worker died, deadline ───────────┘
//
// An abandoned job stays in the books until its worker has sent its last frame: it still takes a page
// or a thread.

import type { Socket } from "node:net";

/** Why a job ended without an answer of the application. */
export type LostReason =
  /** The worker that held it has ended. */
  | "worker-died"
  /** The queue is full. */
  | "queue-full"
  /** It waited longer than the queue's limit and was not begun. */
  | "queue-timeout"
  /** At the rate of the last seconds it could not have been begun in time. */
  | "overloaded"
  /** No worker is there, and none will be soon: the application ends again and again. */
  | "no-workers"
  /** It was begun and did not answer within its deadline. */
  | "deadline"
  /** The pool is stopping. */
  | "stopping";

export type JobState = "new" | "waiting" | "queued" | "answering" | "abandoned" | "done";

/** What a worker says of a WebSocket; bytes and texts are valid during the call only. */
export interface WebSocketPart {
  /**
   * The application has accepted: subprotocol and `count` extra fields, as docs/worker-protocol.md has
   * them. `send` takes frames for the worker, until the job has ended.
   */
  onAccept(record: string, count: number, send: (frame: Buffer) => void): void;
  /** A piece of a message. Throws FrameFault where there can be none. */
  onPiece(bytes: Buffer, isText: boolean, isLast: boolean): void;
  /** The application closes, or denies what it has not accepted; `isLast`: the job has ended. */
  onClose(code: number, reason: string, isLast: boolean): void;
}

/** One request for one worker. Times are CLOCK_MONOTONIC seconds. */
export abstract class Job {
  /** Given by the pool, 1 … 2⁵³−1; never used twice. */
  id = 0;
  state: JobState = "new";
  submittedAt = 0;
  /** Its place among all pages written to the pipe, from 1; 0 until it is written. */
  order = 0;
  /** When a worker took it; 0 until the pool knows. */
  takenAt = 0;
  /** Number of the worker that has it; 0 until the pool knows. */
  worker = 0;
  /** When the last bytes of the answer came; 0 until then, and where they come on a socket of their own. */
  lastBytesAt = 0;
  /** Whether it stood in nobody's notes when its latest time was over. */
  isMissed = false;
  /** Whether it takes a place in the pipe, or of a thread that could read there. */
  holdsPlace = false;
  /** How often it was given to the workers once more. */
  retries = 0;

  /** Blocks of the record, latin-1 (docs/worker-protocol.md). */
  abstract readonly names: string;
  abstract readonly values: string;
  /** Body in memory, or null. */
  abstract readonly body: Buffer | null;
  /** Whether the record's last value names a file with the body. */
  abstract readonly isBodyInFile: boolean;
  /** Whether the body comes while the request runs, when the worker asks for it. */
  abstract readonly isBodyStreamed: boolean;
  /** From taking to the head, seconds; 0 = none. */
  abstract readonly timeout: number;
  /** Between two chunks of the answer, seconds; 0 = none. */
  abstract readonly gapTimeout: number;
  /** Whether running it twice does no harm. */
  abstract readonly isRepeatable: boolean;
  /** Not null: it is a WebSocket handshake, and this hears what comes of it. */
  readonly webSocket: WebSocketPart | null = null;
  /** It has answered on a socket of its own (`onSocket`): an answer in frames counts no more. */
  hasOwnSocket = false;

  /** Whether it is a WebSocket handshake, in frames or on a socket of its own. */
  get isWebSocket(): boolean {
    return this.webSocket !== null;
  }

  /**
   * The head has come, with the first bytes of the body; `isWhole`: with all of them. Then up to
   * 65,536 bytes are valid during the call only.
   */
  abstract onHead(head: string, count: number, body: Buffer, isWhole: boolean): void;
  /** The worker asks for the body that is streamed; `send` takes pieces until the job has ended. */
  abstract onBodyWanted(send: (piece: Buffer, isLast: boolean) => void): void;
  /** The application has read so many bytes of it. */
  abstract onBodyRead(bytes: number): void;
  abstract onBody(bytes: Buffer, isLast: boolean): void;
  /** What comes before the head: `103 Early Hints NUL name NUL value …` with `count` fields. */
  abstract onEarlyHint(record: string, count: number): void;
  /** The end of the answer, with fields behind the body: `name NUL value …`. */
  abstract onTrailers(record: string, count: number): void;
  /** The application failed; the text is for the log. Ends the job. */
  abstract onFault(text: string): void;
  /** Ends the job. */
  abstract onLost(reason: LostReason): void;
  /** Whether the answer waits for its client, so that no deadline counts. */
  abstract isHeldByClient(): boolean;

  /** The application has a socket, and this is its other end: the job's to destroy. Its errors are heard. */
  onSocket(socket: Socket): void {
    socket.destroy();
  }

  /** The worker that has it takes no more, and ends when what it runs has ended. */
  onWorkerLeaving(): void {
    // Most end soon by themselves.
  }
}

/** A job that ran past its deadline, told before it is ended. */
export interface Overdue {
  readonly job: Job;
  readonly worker: number;
  /** Seconds since it was taken, or since the last bytes of its answer. */
  readonly age: number;
}
