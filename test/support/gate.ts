// The real command with test/apps/gate.py, whose requests run until the test lets them end: what runs at
// the same time, and in which process, is shown by outcome and not by time.

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { until } from "./deadline.ts";
import { isWritten } from "./notes.ts";
import { RawClient } from "./raw-client.ts";
import { makeScratch, type Scope } from "./scratch.ts";
import { startTyphon, type Typhon } from "./typhon.ts";

/** A request that runs. */
export interface Held {
  readonly name: string;
  readonly client: RawClient;
  /** The process that runs it. */
  readonly pid: number;
}

export class Gate {
  readonly typhon: Typhon;
  /** Where the application writes its notes. */
  readonly folder: string;

  /** An application that writes and reads the same notes. */
  constructor(typhon: Typhon, folder: string) {
    this.typhon = typhon;
    this.folder = folder;
  }

  static async start(
    scope: Scope,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<Gate> {
    const folder = makeScratch(scope);
    const options = { env: { GATE_DIR: folder, ...env } };
    return new Gate(await startTyphon(scope, ["gate:app", ...args], options), folder);
  }

  /** Sends a request to `page` on a connection of its own; resolves when the application runs it. */
  async hold(name: string, page = "/hold", method = "GET"): Promise<Held> {
    const client = await RawClient.connect(this.typhon);
    const length = method === "GET" ? "" : "Content-Length: 0\r\n";
    client.write(`${method} ${page}?name=${name} HTTP/1.1\r\nHost: a\r\n${length}\r\n`);
    const isKnown = (): boolean => this.hasRun(name) || client.waiting > 0;
    await until(`${name} runs`, isKnown).catch((error: unknown) => {
      throw new Error(this.typhon.output.all.slice(-4000), { cause: error });
    });
    if (!this.hasRun(name)) assert.fail(`not run: ${(await client.readResponse(method)).text}`);
    return { name, client, pid: await this.pidOf(name) };
  }

  /** Lets a held request end. */
  release(name: string): void {
    writeFileSync(join(this.folder, `${name}.go`), "");
  }

  /** Lets the next chunk of `/steps` be made. */
  step(name: string, number: number): void {
    writeFileSync(join(this.folder, `${name}.${number}`), "");
  }

  /** The process that runs, or has run, the request `name`; waits until one does. */
  async pidOf(name: string): Promise<number> {
    await until(`${name} runs`, () => isWritten(this.#note(name)));
    return Number(readFileSync(this.#note(name), "utf8"));
  }

  /** Whether the request `name` has ever run. */
  hasRun(name: string): boolean {
    return existsSync(this.#note(name));
  }

  #note(name: string): string {
    return join(this.folder, `${name}.running`);
  }
}
