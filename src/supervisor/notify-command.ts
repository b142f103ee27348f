// Messages of sd_notify(3) where no launcher can send them: a site without applications, or one whose launcher has
// just died. A program sends each: systemd-notify, else python3. One message after the other, because READY must not
// overtake RELOADING.

import { execFile } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/** Messages that wait while a program runs; further ones are dropped, as datagrams may be. */
const MAX_WAITING = 16;
/** Time for one program; it waits until the manager has read the message. */
const PROGRAM_MS = 10_000;
const FLUSH_MS = 1000;
const SCRIPT = fileURLToPath(
  new URL("../../python/typhon_worker/process/sd_notify.py", import.meta.url),
);

type Command = readonly [program: string, ...args: string[]];

// Both wait until the message is read: systemd finds the unit of a sender only while the sender runs.
const COMMANDS: readonly ((text: string) => Command)[] = [
  (text) => ["systemd-notify", ...text.split("\n")],
  (text) => ["python3", "-I", "-S", SCRIPT, text],
];

export class NotifyCommand {
  readonly #onFailure: (text: string) => void;
  readonly #waiting: string[] = [];
  /** Resolves when no message waits; null: none does. */
  #sending: Promise<void> | null = null;
  #hasFailed = false;

  /** `onFailure`: a message could not be sent; called once until one is sent again. */
  constructor(onFailure: (text: string) => void) {
    this.#onFailure = onFailure;
  }

  /** Sends a text, behind those before it. */
  send(text: string): void {
    if (this.#waiting.length < MAX_WAITING) this.#waiting.push(text);
    this.#sending ??= this.#sendWaiting();
  }

  /** Resolves when all messages are sent, at the latest after a second: the process is about to end. */
  async flush(): Promise<void> {
    if (this.#sending !== null) await Promise.race([this.#sending, delay(FLUSH_MS)]);
  }

  async #sendWaiting(): Promise<void> {
    for (let text = this.#waiting.shift(); text !== undefined; text = this.#waiting.shift()) {
      const failures = await sendByAny(text);
      const isFailure = failures.length === COMMANDS.length;
      if (isFailure && !this.#hasFailed) this.#onFailure(failures.join("; "));
      this.#hasFailed = isFailure;
    }
    this.#sending = null;
  }
}

/** Runs the programs until one has sent the text; resolves with the failures before. */
async function sendByAny(text: string): Promise<readonly string[]> {
  const failures: string[] = [];
  for (const command of COMMANDS) {
    const [program, ...args] = command(text);
    const failure = await run(program, args);
    if (failure === null) break;
    failures.push(`${program}: ${failure}`);
  }
  return failures;
}

/** Null, or why the program has not done its work. */
async function run(program: string, args: readonly string[]): Promise<string | null> {
  const { promise, resolve } = Promise.withResolvers<string | null>();
  try {
    execFile(program, args, { timeout: PROGRAM_MS }, (error, _, stderr) => {
      if (error === null) resolve(null);
      else if (error.code === "ENOENT") resolve("not on PATH");
      else resolve(stderr.trim().split("\n").at(-1) || error.message.split("\n", 1)[0] || "");
    });
  } catch (error) {
    // The system has no memory or process for it.
    resolve(String(error));
  }
  return await promise;
}
