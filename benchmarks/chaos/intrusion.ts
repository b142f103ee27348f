// Starts the intruder (intruder.ts), another user, beside a server. Acting as another user needs root.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, writeFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

import { readRecord, readStrings } from "../../test/support/json.ts";
import type { Found, PryOrder, SquatOrder } from "./intruder.ts";
import { NotPossible, type Stage, type Verdict } from "./trial.ts";

const PROGRAM = fileURLToPath(new URL("intruder.ts", import.meta.url));
/** As /tmp: everybody may make files, and only their owner may remove them. */
const SHARED = 0o1777;
/** Names that a server might use for its temporary files. */
const PRECIOUS_FILES = 200;
/** What no response and no file but ours may hold. */
export const SECRET = "the secret of another program";

/** A folder that everybody may write to. */
export function makeShared(stage: Stage, name: string): string {
  // The folder of a trial is private.
  chmodSync(stage.folder, 0o755);
  const folder = join(stage.folder, name);
  mkdirSync(folder);
  chmodSync(folder, SHARED);
  return folder;
}

/** Files of the server's user that no server knows, which must stay as they are. */
export class Precious {
  readonly folder: string;
  readonly #names: readonly string[];

  constructor(stage: Stage) {
    this.folder = join(stage.folder, "precious");
    mkdirSync(this.folder, { mode: 0o700 });
    this.#names = Array.from({ length: PRECIOUS_FILES }, (_, at) => String(at + 1));
    for (const name of this.#names) writeFileSync(join(this.folder, name), SECRET, { mode: 0o600 });
  }

  get file(): string {
    return join(this.folder, "1");
  }

  expectWhole(verdict: Verdict): void {
    const found = new Set(readdirSync(this.folder));
    for (const name of this.#names) {
      const isThere = found.delete(name);
      verdict.expect(isThere, `the precious file ${name} was removed`);
      const isWhole = isThere && readFileSync(join(this.folder, name), "utf8") === SECRET;
      verdict.expect(isWhole || !isThere, `the precious file ${name} was written to`);
    }
    verdict.expect(found.size === 0, `among the precious files are now ${[...found].join()}`);
  }
}

export class Intruder {
  readonly #process: ChildProcess;
  readonly #output: Promise<string>;

  private constructor(
    stage: Stage,
    mode: "pry" | "squat",
    order: object,
    before: readonly string[],
  ) {
    const words = [...before, process.execPath, PROGRAM, mode];
    const [command = "", ...args] = words;
    this.#process = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    stage.after(() => void this.#process.kill("SIGKILL"));
    this.#process.stdin?.write(`${JSON.stringify(order)}\n`);
    const { stdout } = this.#process;
    if (stdout === null) throw new Error("the intruder has no output");
    this.#output = text(stdout);
  }

  /** Pries into a server until it is called back. `before`: words before its command. */
  static pry(stage: Stage, order: PryOrder, before: readonly string[]): Intruder {
    expectRoot();
    return new Intruder(stage, "pry", order, before);
  }

  /** Takes names before a server uses them. */
  static async squat(stage: Stage, order: SquatOrder): Promise<Intruder> {
    expectRoot();
    const intruder = new Intruder(stage, "squat", order, []);
    const { stdout } = intruder.#process;
    if (stdout !== null) await once(stdout, "data");
    return intruder;
  }

  /** Ends it. */
  async callBack(): Promise<string> {
    this.#process.stdin?.end();
    return await this.#output;
  }

  /** Ends it, and tells what it could do. */
  async found(): Promise<Found> {
    const found = readRecord(await this.callBack());
    return {
      done: readStrings(JSON.stringify(found["done"])),
      tried: Number(found["tried"]),
      seen: Number(found["seen"]),
      taken: Number(found["taken"]),
    };
  }
}

function expectRoot(): void {
  if (process.getuid?.() !== 0) throw new NotPossible("acting as another user needs root");
}
