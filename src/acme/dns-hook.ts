// The operator's program that changes DNS records for dns-01 (--acme-dns-hook), for wildcards and for servers that no
// authority can reach:
//
//     PROGRAM present DOMAIN RECORD VALUE     make the TXT record RECORD with VALUE; exit when it can be seen
//     PROGRAM remove  DOMAIN RECORD VALUE     remove that value, and no other one of the same name
//
// It runs without a shell, with nothing to read, and with a few variables of the environment. A start costs the
// event loop 1.5–30 ms: acceptable here, because an order comes once in weeks.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";

export interface HookCall {
  readonly action: "present" | "remove";
  /** Without "*.". */
  readonly domain: string;
  /** "_acme-challenge.DOMAIN". */
  readonly record: string;
  readonly value: string;
}

export interface DnsHookOptions {
  readonly program: string;
  /** The server's own environment. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs?: number;
}

/** A record takes minutes to reach all servers of some providers. */
const HOOK_MS = 300_000;
/** From SIGTERM to SIGKILL. */
const HOOK_KILL_MS = 5000;
/** For the last words of a program that has ended; a process that it left may keep the pipe open. */
const READ_REST_MS = 1000;
/** Of the standard error, the end. */
const MAX_ERROR_CHARS = 500;
/** Variables that a program needs to find others, and those that are meant for it (credentials). */
const PASSED = /^(?:PATH|HOME|LANG|LC_ALL|TZ|TMPDIR|SSL_CERT_FILE|SSL_CERT_DIR|DNS_HOOK_\w+)$/;

/** The program failed; the message is one line, with the end of its standard error. */
export class DnsHookError extends Error {}

export class DnsHook {
  readonly #options: DnsHookOptions;
  readonly #running = new Set<ChildProcess>();

  constructor(options: DnsHookOptions) {
    this.#options = options;
  }

  /** Runs the program. Rejects with DnsHookError: it cannot start, fails, or takes longer than 5 minutes. */
  async run({ action, domain, record, value }: HookCall): Promise<void> {
    const { program, environment, timeoutMs = HOOK_MS } = this.#options;
    const env = Object.fromEntries(
      Object.entries(environment).filter(([name]) => PASSED.test(name)),
    );
    // A process group of its own: what the program has started ends with it.
    const child = spawn(program, [action, domain, record, value], {
      env,
      stdio: ["ignore", "ignore", "pipe"],
      detached: true,
    });
    const tail = readTail(child);
    const late = AbortSignal.timeout(timeoutMs);
    const end = (): void => void stop(child);
    late.addEventListener("abort", end, { once: true });
    this.#running.add(child);
    const what = `${program} ${action} ${domain}`;
    try {
      const [code, signal] = await exitOf(child, what);
      if (code === 0 && !late.aborted) return;
      const outcome = signal === null ? `exit code ${code}` : `ended by ${signal}`;
      const told = await tail(READ_REST_MS);
      throw new DnsHookError(
        `${what}: ${late.aborted ? `not done within ${timeoutMs / 1000} s` : outcome}${told}`,
      );
    } finally {
      // Later the number of the process may be another one's.
      late.removeEventListener("abort", end);
      this.#running.delete(child);
      child.stderr?.destroy();
    }
  }

  /** Ends the programs that run. */
  async close(): Promise<void> {
    await Promise.all([...this.#running].map(stop));
  }
}

async function exitOf(child: ChildProcess, what: string): Promise<[number | null, string | null]> {
  try {
    await once(child, "exit");
    return [child.exitCode, child.signalCode];
  } catch (error) {
    const reason = error instanceof Error && "code" in error ? String(error.code) : "unknown";
    throw new DnsHookError(`${what}: cannot be started: ${reason}`, { cause: error });
  }
}

/** Collects the end of standard error; the function waits for its end, and gives it as ": text". */
function readTail(child: ChildProcess): (ms: number) => Promise<string> {
  let text = "";
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  child.stderr?.setEncoding("utf8");
  child.stderr?.on("data", (chunk: string) => {
    text = (text + chunk).slice(-MAX_ERROR_CHARS);
  });
  child.stderr?.on("error", () => resolve());
  child.stderr?.on("close", () => resolve());
  return async (ms) => {
    const timer = setTimeout(resolve, ms);
    await ended;
    clearTimeout(timer);
    const line = text
      .replaceAll(/[^\P{C}\n]/gu, "?")
      .trim()
      .replaceAll(/\s*\n\s*/g, " | ");
    return line === "" ? "" : `: ${line}`;
  };
}

/** Ends a program and what it has started: SIGTERM, then SIGKILL. */
async function stop(child: ChildProcess): Promise<void> {
  signalGroup(child, "SIGTERM");
  const timer = setTimeout(() => signalGroup(child, "SIGKILL"), HOOK_KILL_MS);
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit").catch(leave);
  clearTimeout(timer);
  signalGroup(child, "SIGKILL");
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // ESRCH: all of the group have ended.
  }
}

function leave(): void {
  // The program could not be started: `run` tells it.
}
