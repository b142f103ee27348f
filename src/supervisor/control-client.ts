// The asking side of the control socket: `typhon reload`, and a start that looks whether a PID file
// belongs to a server that lives.

import { connect } from "node:net";

import {
  LINE_MS,
  MAX_LINE_BYTES,
  readAnswer,
  writeRequest,
  type ControlAnswer,
  type Operation,
} from "./control-protocol.ts";

/** For a look whether somebody is there, ms. */
const LOOK_MS = 2000;
/** What a connection ends in where nobody listens, or nothing is. */
const GONE: ReadonlySet<string> = new Set(["ECONNREFUSED", "ENOENT", "ENOTDIR"]);

/** The control socket cannot be used; `code` is the system's, or one of ours. */
export class ControlError extends Error {
  /** ENOENT, ECONNREFUSED, EACCES …; TIMEOUT: no answer; ENDED: the end of the connection instead of one. */
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.name = "ControlError";
    this.code = code;
  }

  static from(error: Error): ControlError {
    return new ControlError("code" in error ? String(error.code) : error.message);
  }
}

/**
 * Whether somebody listens at the control socket `path`. Who does not answer lives too, and so may one
 * whom this user may not ask.
 */
export async function isControlled(path: string): Promise<boolean> {
  try {
    await askControl(path, "ping", LOOK_MS);
    return true;
  } catch (error) {
    return !(error instanceof ControlError && GONE.has(error.code));
  }
}

/**
 * Says one thing at the control socket `path`. A reload is waited for until it is over: the server
 * bounds that by --start-timeout; everything else must come within `patienceMs`. Rejects with
 * ControlError.
 */
export async function askControl(
  path: string,
  op: Operation,
  patienceMs: number = LINE_MS,
): Promise<ControlAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<ControlAnswer>();
  const socket = connect({ path });
  const timer = setTimeout(() => reject(new ControlError("TIMEOUT")), patienceMs);
  let received = "";
  socket.setEncoding("utf8");
  socket.on("connect", () => {
    if (op === "reload") clearTimeout(timer);
    socket.write(`${writeRequest(op)}\n`);
  });
  socket.on("data", (text: string) => {
    received += text;
    if (received.length > MAX_LINE_BYTES) socket.destroy();
  });
  socket.on("error", (error) => reject(ControlError.from(error)));
  socket.on("close", () => {
    const answer = received.endsWith("\n") ? readAnswer(received) : null;
    if (answer === null) reject(new ControlError("ENDED"));
    else resolve(answer);
  });
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}
