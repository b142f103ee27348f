// The client's side of the control socket: `typhon reload` asks for a reload, and a starting server asks
// whether the server of a PID file still runs. Failures of `typhon reload` are explained for operators.

import { lstatSync } from "node:fs";
import { connect } from "node:net";

import { OperatorError, quote } from "../config/operator-error.ts";
import {
  controlPath,
  LINE_MS,
  MAX_LINE_BYTES,
  readReply,
  writeRequest,
  type ControlReply,
  type Operation,
} from "./control-protocol.ts";

/** Longest wait for the reply to a ping at the start, ms. */
const PING_MS = 2000;
/** Errors of connect() that mean that no server listens. */
const GONE: ReadonlySet<string> = new Set(["ECONNREFUSED", "ENOENT", "ENOTDIR"]);

/** The control socket cannot be used. */
export class ControlError extends Error {
  /** The system's code (ENOENT, ECONNREFUSED, EACCES …), TIMEOUT, or ENDED: the connection ended without a reply. */
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
 * Whether a server listens at the control socket `path`. True also for a server that does not reply and
 * for a socket that this user may not open: such a server may be running.
 */
export async function isControlled(path: string): Promise<boolean> {
  try {
    await askControl(path, "ping", PING_MS);
    return true;
  } catch (error) {
    return !(error instanceof ControlError && GONE.has(error.code));
  }
}

/**
 * Sends one request to the control socket `path` and resolves with the reply. The connection, and the reply
 * to a ping, must come within `patienceMs`. The reply to a reload has no limit here, because the server
 * limits a reload by --start-timeout. Rejects with ControlError.
 */
export async function askControl(
  path: string,
  op: Operation,
  patienceMs: number = LINE_MS,
): Promise<ControlReply> {
  const { promise, resolve, reject } = Promise.withResolvers<ControlReply>();
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
    const reply = received.endsWith("\n") ? readReply(received) : null;
    if (reply === null) reject(new ControlError("ENDED"));
    else resolve(reply);
  });
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

/** What a reload has done. */
export type Reloaded = Omit<Extract<ControlReply, { readonly ok: true }>, "ok" | "pid">;

/**
 * Asks the server of a PID file to reload and waits for the outcome; resolves with the milliseconds that
 * the reload took, and the options that hold only after a restart. Throws OperatorError: 3 with the traceback if the code does not load, 2 if the
 * configuration has a mistake or the server cannot be reached.
 */
export async function requestReload(pidFile: string): Promise<Reloaded> {
  const path = controlPath(pidFile);
  try {
    // The ping has a time limit: it distinguishes a server that is stuck from one that loads code.
    await askControl(path, "ping");
    const reply = await askControl(path, "reload");
    if (reply.ok) return reply;
    throw new OperatorError(reply.text, reply.exitCode);
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    throw new OperatorError(explain(error.code, pidFile));
  }
}

function explain(code: string, pidFile: string): string {
  const file = quote(pidFile);
  const socket = quote(controlPath(pidFile));
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      return isThere(pidFile)
        ? `--pid ${file} is there, but ${socket} is not: the server has ended, or it could not open a control socket (see its log) and reloads only on SIGHUP`
        : `--pid ${file} is not there: no server was started with it, or the server has ended`;
    case "ECONNREFUSED":
      return `--pid ${file}: the server has ended without removing the file`;
    case "EACCES":
    case "EPERM":
      return `--pid ${file}: only the user that the server runs as may use ${socket}`;
    case "TIMEOUT":
      return `--pid ${file}: the server does not reply at ${socket}; it may be stuck`;
    case "ENDED":
      return `--pid ${file}: the connection ended without a reply, because the server ends or has too many such connections; the outcome of the reload is unknown`;
    default:
      return `--pid ${file}: ${socket} cannot be used (${code})`;
  }
}

function isThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    // A folder that this user may not enter counts as missing.
    return false;
  }
}
