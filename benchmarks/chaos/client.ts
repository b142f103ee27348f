// A client connection that survives any fault of its server. It never throws: a reset, a cut response,
// silence and a refused connection are outcomes like a status, to be counted. One request at a time; a
// connection that the server has closed is opened anew.
//
//   ask() ──▶ answered | cut (ended half way) | unanswered (ended before a byte) | refused | silent

import { clockMs } from "../load/arrivals.ts";
import { openConnection, type ClientSocket } from "./transport.ts";

export type AnswerEnd = "answered" | "cut" | "unanswered" | "refused" | "silent";

/** The outcome of one request. */
export interface Answer {
  readonly end: AnswerEnd;
  /** 0 unless answered. */
  readonly status: number;
  /** Status line and fields, latin-1. */
  readonly head: string;
  readonly body: string;
  /** clockMs() at its end, and the time since it was asked. */
  readonly at: number;
  readonly ms: number;
  /** The connection had answered before: it may have been closed just when the request left. */
  readonly isReused: boolean;
}

interface Asked {
  readonly resolve: (answer: Answer) => void;
  readonly at: number;
  readonly isReused: boolean;
  readonly timer: NodeJS.Timeout;
  received: string;
}

/** A response that has come whole. */
interface Whole {
  readonly status: number;
  readonly head: string;
  readonly body: string;
  readonly closes: boolean;
}

/** Longer than any server in these trials may take with a request that it means to answer. */
export const PATIENCE_MS = 20_000;

export class Client {
  readonly #port: number;
  #socket: ClientSocket | null = null;
  #isConnected = false;
  #asked: Asked | null = null;

  constructor(port: number) {
    this.#port = port;
  }

  /** Sends a request and waits for its outcome. */
  ask(request: string, patienceMs: number = PATIENCE_MS): Promise<Answer> {
    const { promise, resolve } = Promise.withResolvers<Answer>();
    const isReused = this.#socket !== null;
    const socket = this.#socket ?? this.#open();
    const timer = setTimeout(() => {
      this.#settle("silent", null);
      this.close();
    }, patienceMs);
    this.#asked = { resolve, at: clockMs(), isReused, timer, received: "" };
    socket.write(request, "latin1");
    return promise;
  }

  /** Ends the connection; a request that is under way counts as unanswered. */
  close(): void {
    this.#socket?.destroy();
    this.#socket = null;
  }

  /** Ends it by a reset, as a program that crashes does. */
  reset(): void {
    this.#socket?.resetAndDestroy();
    this.#socket = null;
  }

  #open(): ClientSocket {
    const socket = openConnection(this.#port);
    this.#socket = socket;
    this.#isConnected = false;
    socket.setEncoding("latin1");
    socket.on("connect", () => {
      if (this.#socket === socket) this.#isConnected = true;
    });
    socket.on("data", (text: string) => {
      if (this.#socket === socket) this.#onText(text);
    });
    socket.on("error", () => undefined); // "close" follows and says all.
    socket.on("close", () => {
      if (this.#socket === socket || this.#socket === null) this.#onClose();
    });
    return socket;
  }

  #onText(text: string): void {
    const asked = this.#asked;
    if (asked === null) return;
    asked.received += text;
    const whole = readAnswer(asked.received, false);
    if (whole === null) return;
    if (whole.closes) this.close();
    this.#settle("answered", whole);
  }

  #onClose(): void {
    this.#socket = null;
    const received = this.#asked?.received ?? "";
    const whole = readAnswer(received, true);
    if (whole !== null) this.#settle("answered", whole);
    else if (received !== "") this.#settle("cut", null);
    else this.#settle(this.#isConnected ? "unanswered" : "refused", null);
  }

  #settle(end: AnswerEnd, whole: Whole | null): void {
    const asked = this.#asked;
    if (asked === null) return;
    this.#asked = null;
    clearTimeout(asked.timer);
    const at = clockMs();
    asked.resolve({
      end,
      status: whole?.status ?? 0,
      head: whole?.head ?? "",
      body: whole?.body ?? "",
      at,
      ms: at - asked.at,
      isReused: asked.isReused,
    });
  }
}

/** `GET path`, whole. */
export function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: chaos\r\n\r\n`;
}

/** `POST path` with a text, whole. */
export function post(path: string, body: string): string {
  return `POST ${path} HTTP/1.1\r\nHost: chaos\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

/** One request on a connection of its own. */
export async function askOnce(port: number, request: string, patienceMs?: number): Promise<Answer> {
  const client = new Client(port);
  const answer = await client.ask(request, patienceMs);
  client.close();
  return answer;
}

/** The value of a field, "" if there is none. */
export function fieldOf(answer: Answer, name: string): string {
  return new RegExp(`\\r\\n${name}: *([^\\r]*)`, "i").exec(answer.head)?.[1] ?? "";
}

/** An outcome in a word or two: "200", "503 without Retry-After", "cut". */
export function tellAnswer(answer: Answer): string {
  if (answer.end !== "answered") return answer.end;
  const isBare = answer.status === 503 && fieldOf(answer, "retry-after") === "";
  return `${answer.status}${isBare ? " without Retry-After" : ""}`;
}

/** The answer that `received` begins with, or null while it is not whole (RFC 9112 §6.3). */
function readAnswer(received: string, isEnded: boolean): Whole | null {
  const headEnd = received.indexOf("\r\n\r\n");
  if (headEnd < 0) return null;
  const head = received.slice(0, headEnd);
  const status = Number(head.slice(9, 12));
  const rest = received.slice(headEnd + 4);
  if (status < 200) return readAnswer(rest, isEnded);
  const closes = /\r\nconnection: *close/i.test(head);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length !== undefined) {
    if (rest.length < Number(length)) return null;
    return { status, head, body: rest.slice(0, Number(length)), closes };
  }
  if (/\r\ntransfer-encoding: *chunked/i.test(head)) {
    const body = rest.endsWith("0\r\n\r\n") ? joinChunks(rest) : null;
    return body === null ? null : { status, head, body, closes };
  }
  return isEnded ? { status, head, body: rest, closes: true } : null;
}

/** The bytes of a chunked body; null where the last chunk has not come. */
function joinChunks(text: string): string | null {
  let body = "";
  for (let at = 0; ;) {
    const lineEnd = text.indexOf("\r\n", at);
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    if (lineEnd < 0 || !(size >= 0)) return null;
    if (size === 0) return body;
    body += text.slice(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 2 + size + 2;
  }
}
