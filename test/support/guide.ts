// The pages of the documentation as programs: reads the fenced blocks of a page, and does what a reader would do
// with them, in a folder of its own. What a block is, the line above it says, or its language:
//     `app.py`:                       a file with this name, in the folder of the page. The line above the block ends
//                                     so: "In `app.py`:", "Put it there (`app.py`):"
//     At the end of `app.py`:         added to that file
//     ```console                      lines "$ COMMAND", each followed by what it prints
//     The server prints:              lines of the server that was started last, now or soon
//     The server at port 9000 prints: those of another one
//     <!-- not run: REASON -->        nothing is done with it
// In what a command prints, "…" stands for anything, and lines between those of the page may be left out. A
// command that serves runs until the next one at the same port, or the end of the page. Three kinds of commands are not
// run as they are: `python3 -m venv DIR` gives the environment of the tests, `pip install` only looks whether that
// environment has the packages, and ports of the page are free ones.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";

import { within } from "./deadline.ts";
import { freePorts } from "./free-ports.ts";
import { Output } from "./output.ts";
import { CHECKOUT, COMMAND, makeScratch, type Scope } from "./scratch.ts";
import { Typhon } from "./typhon.ts";

/** A command of a page may import a large framework on a loaded machine, ms. */
const COMMAND_MS = 90_000;

const NOT_RUN = /^<!-- not run: (.+) -->$/;
const FILE = /(at the end of )?`([\w./-]*\.\w+)`\)?:$/i;
const SERVER_PRINTS = /^The server(?: at port (\d+))? prints:$/;

export interface Block {
  /** Line of its fence, from 1. */
  readonly line: number;
  readonly language: string;
  /** The line above it that is not empty. */
  readonly above: string;
  readonly text: string;
}

/** A command of a session and the lines that it prints. */
export interface Step {
  readonly command: string;
  readonly expected: readonly string[];
}

/** The fenced blocks of a page, in their order. */
export function readBlocks(markdown: string): Block[] {
  const lines = markdown.split("\n");
  const blocks: Block[] = [];
  for (let at = 0; at < lines.length; at += 1) {
    const [fence, indent = "", language = ""] = /^( *)```([\w-]*)$/.exec(lines[at] ?? "") ?? [];
    if (fence === undefined) continue;
    const end = lines.indexOf(`${indent}\`\`\``, at + 1);
    assert.ok(end > 0, `line ${at + 1}: the block does not end`);
    const above = lines.slice(0, at).findLast((line) => line.trim() !== "") ?? "";
    const inside = lines.slice(at + 1, end).map((line) => line.slice(indent.length));
    blocks.push({
      line: at + 1,
      language,
      above: above.trim(),
      text: inside.map((line) => `${line}\n`).join(""),
    });
    at = end;
  }
  return blocks;
}

/** What the runner does with a block; null: it would do nothing, and no mark says why. */
export function kindOf(block: Block): "not run" | "file" | "session" | "output" | null {
  if (NOT_RUN.test(block.above)) return "not run";
  if (SERVER_PRINTS.test(block.above)) return "output";
  if (block.language === "console" && block.text.startsWith("$ ")) return "session";
  if (FILE.test(block.above)) return "file";
  return null;
}

/** Why nothing is done with a block, or null. */
export function whyNotRun(block: Block): string | null {
  return NOT_RUN.exec(block.above)?.[1] ?? null;
}

/** The commands of a session. A line that ends with a backslash goes on in the next one. */
export function readSteps(text: string): Step[] {
  const steps: { command: string; expected: string[] }[] = [];
  for (const line of text.replaceAll(/\\\n\s*/g, "").split("\n")) {
    if (line.startsWith("$ ")) steps.push({ command: line.slice(2), expected: [] });
    else if (line.trim() !== "") steps.at(-1)?.expected.push(line.trim());
  }
  return steps;
}

/** All pages that have blocks to run or to mark. */
export const PAGES: readonly string[] = ["README.md", "docs/**/*.md", "examples/**/*.md"].flatMap(
  (pattern) => globSync(pattern, { cwd: CHECKOUT }),
);

const RUN = PAGES.filter((page) =>
  readBlocks(readPage(page)).some((block) => kindOf(block) === "session"),
);
/** Pages whose packages all tests have. */
export const LIGHT_PAGES: readonly string[] = RUN.filter((page) => environmentOf(page) === "test");
/** Pages that need the packages of python/requirements-guides.txt. */
export const HEAVY_PAGES: readonly string[] = RUN.filter((page) => environmentOf(page) !== "test");

export function readPage(page: string): string {
  return readFileSync(join(CHECKOUT, page), "utf8");
}

/** The environment that a page says it needs, `<!-- environment: guides -->`; else that of all tests. */
function environmentOf(page: string): string {
  return /^<!-- environment: (\w+) -->$/m.exec(readPage(page))?.[1] ?? "test";
}

/** Whether a command serves until it is stopped. */
export function isServer(command: string): boolean {
  const words = command.split(" ").filter((word) => !/^\w+=/.test(word));
  const at = words.indexOf("typhon");
  if (at < 0 || !["", "ddtrace-run", "opentelemetry-instrument"].includes(words[at - 1] ?? ""))
    return false;
  return !/^(?:check|reload|hash-password|trust|init|doctor|--help|--version)$/.test(
    words[at + 1] ?? "",
  );
}

/** Does all that a page says, in a folder of its own, and stops what it has started. */
export async function runGuide(scope: Scope, page: string): Promise<void> {
  await runBlocks(scope, page, readPage(page), environmentOf(page));
}

/** The same for the text of a page; `environment`: "test" or "guides". */
export async function runBlocks(
  scope: Scope,
  page: string,
  markdown: string,
  environment: string,
): Promise<void> {
  const folder = join(CHECKOUT, `.venv-${environment}`);
  const guide = new Guide(makeScratch(scope), folder, await mapPorts(markdown));
  scope.after(() => guide.kill());
  for (const block of readBlocks(markdown)) {
    const where = `${page}:${block.line}`;
    const kind = kindOf(block);
    assert.ok(kind !== null, `${where}: not run, and no mark says why`);
    if (kind === "file") guide.write(block);
    if (kind === "output") await guide.awaitOutput(block, where);
    if (kind !== "session") continue;
    for (const { command, expected } of readSteps(block.text)) {
      const what = `${where}: $ ${command}`;
      await within(COMMAND_MS, guide.run(command, expected, what), what);
    }
  }
  await guide.stop();
}

/** The ports that a page names, each with a free one. */
async function mapPorts(markdown: string): Promise<ReadonlyMap<string, string>> {
  const named = [...markdown.matchAll(PORT)].map(([, , port = ""]) => port);
  const names = [...new Set(["8000", "8443", ...named])];
  const free = await freePorts(names);
  return new Map(names.map((name) => [name, String(free[name])]));
}

const PORT = /((?:127\.0\.0\.1|localhost|0\.0\.0\.0):|--port[ =]|-p |PORT=|port=)(\d+)(?=\D|$)/g;

class Guide {
  readonly #ports: ReadonlyMap<string, string>;
  readonly #environment: string;
  readonly #variables: Readonly<Record<string, string>>;
  #folder: string;
  /** By the port that the page names; the last one started is the last one here. */
  readonly #servers = new Map<string, Typhon>();

  constructor(scratch: string, environment: string, ports: ReadonlyMap<string, string>) {
    this.#ports = ports;
    this.#environment = environment;
    this.#folder = join(scratch, "project");
    const commands = join(scratch, "commands");
    for (const folder of [this.#folder, commands]) mkdirSync(folder);
    symlinkSync(COMMAND, join(commands, "typhon"));
    this.#variables = {
      PATH: `${commands}:${join(environment, "bin")}:${process.env["PATH"] ?? ""}`,
      VIRTUAL_ENV: environment,
      HOME: scratch,
      PYTHONDONTWRITEBYTECODE: "1",
      NO_PROXY: "*",
      // Gradio would tell its makers of each start.
      GRADIO_ANALYTICS_ENABLED: "False",
    };
  }

  write({ above, text }: Block): void {
    const [, end, name = ""] = FILE.exec(above) ?? [];
    const path = join(this.#folder, name);
    mkdirSync(dirname(path), { recursive: true });
    const local = this.#localize(text);
    if (end === undefined) writeFileSync(path, local);
    else appendFileSync(path, `\n${local}`);
  }

  async run(command: string, expected: readonly string[], what: string): Promise<void> {
    const [first = "", ...words] = command.split(" ");
    const venv = /^python3? -m venv (\S+)$/.exec(command)?.[1];
    if (first === "cd") this.#folder = join(this.#folder, words[0] ?? "");
    else if (venv !== undefined) symlinkSync(this.#environment, join(this.#folder, venv));
    else if (/^(?:\S+\/)?pip$/.test(first)) this.#requireInstalled(words.slice(1), what);
    else if (isServer(command)) await this.#serve(command, expected, what);
    else await this.#execute(command, expected, what);
  }

  /** Waits for the lines of a block in what a running server prints. */
  async awaitOutput(block: Block, where: string): Promise<void> {
    const port = SERVER_PRINTS.exec(block.above)?.[1];
    const server =
      port === undefined ? [...this.#servers.values()].at(-1) : this.#servers.get(port);
    assert.ok(server !== undefined, `${where}: no server runs`);
    for (const line of block.text.trim().split("\n"))
      await server.output.waitFor(this.#pattern(line.trim()));
  }

  async stop(): Promise<void> {
    for (const port of this.#servers.keys()) await this.#stopAt(port);
  }

  kill(): void {
    for (const server of this.#servers.values()) server.kill();
  }

  async #stopAt(port: string): Promise<void> {
    const server = this.#servers.get(port);
    this.#servers.delete(port);
    await server?.stop();
  }

  async #serve(command: string, expected: readonly string[], what: string): Promise<void> {
    // With an application in the command, the file is not read.
    const settings = / typhon(?: -|$)/.test(` ${command}`)
      ? readIfThere(join(this.#folder, "typhon.toml"))
      : "";
    const usual = / (?:--tls|--certfile)\b/.test(command) ? "8443" : "8000";
    const port = / (?:--port|-p)[ =](\d+)/.exec(command)?.[1] ?? usual;
    const hasAddress =
      / (?:--bind|-b|--host|--port|-p)\b/.test(command) || /^bind = /m.test(settings);
    await this.#stopAt(port);
    // The shell is replaced by the server, which is stopped by its id.
    const line = this.#localize(command).replace(/^((?:\w+=\S+ )*)/, "$1exec ");
    const server = new Typhon(["-c", line], {
      command: "sh",
      cwd: this.#folder,
      env: {
        ...this.#variables,
        ...(hasAddress ? {} : { TYPHON_BIND: this.#localize(`127.0.0.1:${usual}`) }),
      },
    });
    this.#servers.set(port, server);
    await server.waitForStart();
    for (const text of expected) await server.output.waitFor(this.#pattern(text));
    assert.ok(!server.hasExited, `${what}\n${server.output.all}`);
  }

  async #execute(command: string, expected: readonly string[], what: string): Promise<void> {
    const child = spawn("sh", ["-c", this.#localize(command)], {
      cwd: this.#folder,
      env: { ...this.#variables, LANG: "C.UTF-8" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const output = new Output();
    output.collect(child.stdout, "stdout");
    output.collect(child.stderr, "stderr");
    const closed: readonly unknown[] = await once(child, "close");
    const servers = [...this.#servers.values()].map((server) => server.output.all).join("\n");
    const said = `${what}\n${output.all}\nservers:\n${servers}`;
    assert.deepEqual(closed, [0, null], said);
    let from = 0;
    for (const text of expected) {
      const found = this.#pattern(text).exec(output.all.slice(from));
      assert.ok(found !== null, `not printed: ${text}\n${said}`);
      from += found.index + found[0].length;
    }
  }

  #requireInstalled(words: readonly string[], what: string): void {
    const packages = words.filter((word) => !word.startsWith("-"));
    const library = join(this.#environment, "lib");
    const [version = ""] = readdirSync(library);
    const names = readdirSync(join(library, version, "site-packages")).map(
      (name) => /^(.+?)-[^-]+\.dist-info$/.exec(name)?.[1] ?? "",
    );
    const installed = new Set(names.map(normalizeName));
    for (const name of packages) {
      // Typhon itself is the checkout.
      const wanted = normalizeName(name.replace(/['"]|\[.*|[=<>~].*/g, ""));
      if (wanted !== "typhon_server") assert.ok(installed.has(wanted), `${what}: ${name}`);
    }
  }

  /** The free port in place of the page's. */
  #localize(text: string): string {
    return text.replaceAll(
      PORT,
      (all, before: string, port: string) => `${before}${this.#ports.get(port) ?? all}`,
    );
  }

  #pattern(text: string): RegExp {
    const parts = this.#localize(text)
      .split("…")
      .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
    return new RegExp(parts.join(".*?"));
  }
}

function normalizeName(name: string): string {
  return name.toLowerCase().replaceAll(/[-.]/g, "_");
}

function readIfThere(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}
