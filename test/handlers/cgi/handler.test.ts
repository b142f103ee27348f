// A request between its client and a program: what the client gets in each case, when the program is ended, and what
// is given back. The programs are the test's; their files are real, so that they are found.

import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it, type TestContext } from "node:test";

import fc from "fast-check";

import { ProgramQueue } from "../../../src/cgi/program-queue.ts";
import type {
  ProgramEnd,
  ProgramListener,
  ProgramRequest,
  RunningProgram,
} from "../../../src/cgi/program.ts";
import type { CgiContext, CgiOptions } from "../../../src/handlers/cgi/context.ts";
import { CgiHandler } from "../../../src/handlers/cgi/handler.ts";
import type { Exchange } from "../../../src/http/exchange.ts";
import { MemoryBudget } from "../../../src/net/memory-budget.ts";
import { lapse, until } from "../../support/deadline.ts";
import { FileLimit } from "../../support/file-count.ts";
import {
  MemoryEngine,
  type MemoryRequest,
  type MemoryStream,
} from "../../support/memory-engine.ts";
import { makeScratch } from "../../support/scratch.ts";
import { makeTempFolder } from "../../support/temp-files.ts";

const HTML = "Content-Type: text/html\n\n";

/** A program that does what the test says. */
class Program implements RunningProgram {
  readonly request: ProgramRequest;
  readonly #listener: ProgramListener;
  /** What the front has asked for. */
  readonly asked: string[] = [];

  constructor(request: ProgramRequest, listener: ProgramListener) {
    this.request = request;
    this.#listener = listener;
  }

  start(): this {
    this.#listener.onStarted(4711, false);
    return this;
  }

  pause(): void {
    this.asked.push("pause");
  }

  resume(): void {
    this.asked.push("resume");
  }

  end(): void {
    this.asked.push("end");
  }

  kill(): void {
    this.asked.push("kill");
  }

  write(text: string | Buffer): this {
    // Bytes are valid during the call only.
    const bytes = Buffer.from(text);
    this.#listener.onOutput(bytes);
    bytes.fill("!");
    return this;
  }

  complain(text: string): this {
    this.#listener.onErrorText(text);
    return this;
  }

  close(): this {
    this.#listener.onOutputEnd();
    return this;
  }

  exit(end: Partial<ProgramEnd> = {}): void {
    this.#listener.onEnd({ code: 0, signal: null, failure: "", ...end });
  }
}

interface WorldOptions extends Partial<CgiOptions> {
  readonly concurrency?: number;
  readonly queue?: number;
  readonly maxResponseSpill?: number;
}

/** A route /cgi of one program, and everything that it tells. */
class World {
  readonly programs: Program[] = [];
  readonly faults: string[] = [];
  readonly errors: string[] = [];
  readonly finished: Exchange[] = [];
  readonly rerouted: string[] = [];
  readonly budget = new MemoryBudget(67_108_864, 268_435_456);
  readonly queue: ProgramQueue;
  readonly folder: string;
  readonly #engine: MemoryEngine;

  constructor(scope: TestContext, options: WorldOptions = {}, openFiles = new FileLimit(100)) {
    const { concurrency = 2, queue = 2, maxResponseSpill = 10_000_000, ...others } = options;
    this.folder = makeScratch(scope);
    const place = join(this.folder, "prog");
    writeFileSync(place, "#!/bin/sh\n");
    chmodSync(place, 0o755);
    this.queue = new ProgramQueue({ concurrency, queue, queueTimeoutMs: 60_000 });
    const folder = makeTempFolder(this.folder);
    scope.after(() => folder.remove());
    const context: CgiContext = {
      runner: {
        run: (request, listener) => {
          const program = new Program(request, listener);
          this.programs.push(program);
          return program;
        },
      },
      queue: this.queue,
      folder,
      openFiles,
      budget: this.budget,
      maxResponseSpill,
      software: "typhon/1",
      isTrustedProxy: () => false,
      reroute: (exchange) => {
        const { path, query } = exchange.head;
        this.rerouted.push(`${exchange.head.method} ${path}?${query}`);
        exchange.path = path;
        handler.handle(exchange);
      },
      onFault: (_, __, text) => void this.faults.push(text),
      onErrorText: (_, __, text) => void this.errors.push(text),
      onStoreFailure: (_, error) => void this.faults.push(error.message),
      onUnreadable: (path, code) => void this.faults.push(`${code} ${path}`),
      onNoProgram: (path) => void this.faults.push(`not a program ${path}`),
    };
    const handler = new CgiHandler({
      prefix: "/cgi",
      place,
      python: "",
      isWarm: true,
      preload: ["json"],
      passesAuthorization: false,
      env: {},
      timeoutMs: 60_000,
      ...others,
      context,
    });
    this.#engine = new MemoryEngine(
      (exchange) => {
        exchange.path = exchange.head.path;
        exchange.requestId = "id";
        handler.handle(exchange);
      },
      (exchange) => void this.finished.push(exchange),
    );
  }

  ask(changes: Partial<MemoryRequest> = {}): MemoryStream {
    const usual = { method: "GET", path: "/cgi/x?a", fields: [], bodyLength: 0, protocol: "" };
    return this.#engine.request({ ...usual, protocol: "", ...changes });
  }

  /** A request whose program runs. */
  async run(changes: Partial<MemoryRequest> = {}): Promise<[MemoryStream, Program]> {
    const before = this.programs.length;
    const stream = this.ask(changes);
    const program = await until("the program runs", () => this.programs[before] ?? null);
    return [stream, program.start()];
  }

  /** Nothing is held any more. */
  async isClean(): Promise<void> {
    await until("no program has a place", () => this.queue.running + this.queue.waiting === 0);
    // A budget with one byte of use is not below its limit of none.
    const { budget } = this;
    budget.take(67_108_863);
    assert(budget.hasRoom, "memory of bodies is still counted");
    budget.give(67_108_863);
  }
}

/** Whether the front reads no more of the program. */
function isStopped({ asked }: Program): boolean {
  return asked.includes("end") || asked.includes("kill");
}

function textOf(stream: MemoryStream): string {
  return Buffer.concat(stream.chunks).toString();
}

function fieldOf(stream: MemoryStream, name: string): string | undefined {
  return stream.fields.find(([one]) => one === name)?.[1];
}

describe("a program", () => {
  it("is started with its request", async (t) => {
    const world = new World(t, { env: { A: "\u00e9" } });
    const [, program] = await world.run();
    program.exit();
    const { environment, ...others } = program.request;
    assert.deepEqual(others, {
      program: join(world.folder, "prog"),
      python: "",
      args: ["a"],
      folder: world.folder,
      mayBeWarm: true,
      preload: ["json"],
      input: { kind: "none" },
    });
    assert.deepEqual(
      [environment["PATH_INFO"], environment["SCRIPT_NAME"], environment["A"]],
      ["/x", "/cgi", "\u00c3\u00a9"],
    );
  });

  it("begins when its body is whole, in memory or in a file that stays until its end", async (t) => {
    const world = new World(t);
    for (const size of [10, 300_000]) {
      const stream = world.ask({ method: "POST", bodyLength: null });
      stream.push(Buffer.alloc(size, "a"));
      const before = world.programs.length;
      await new Promise(setImmediate);
      assert.equal(world.programs.length, before);
      stream.push(null);
      const program = await until("it runs", () => world.programs[before] ?? null);
      const { input, environment } = program.request;
      assert.equal(environment["CONTENT_LENGTH"], String(size));
      if (input.kind === "memory") assert.equal(input.bytes.toString(), "a".repeat(size));
      else {
        assert(input.kind === "file" && input.length === size);
        assert.equal(readFileSync(input.path, "latin1"), "a".repeat(size));
      }
      program.write(`${HTML}ok`).close();
      assert.equal(stream.state, "whole");
      if (input.kind === "file") assert(existsSync(input.path));
      program.exit();
      if (input.kind === "file") await until("the file is gone", () => !existsSync(input.path));
    }
    await world.isClean();
  });

  it("responds as it writes", async (t) => {
    const world = new World(t);
    const [stream, program] = await world.run();
    program.write("Status: 201 Made\nContent-Type: te");
    assert.equal(stream.status, 0);
    program.write("xt/plain\n\none");
    assert.deepEqual([stream.status, textOf(stream), stream.state], [201, "one", "open"]);
    program.write(" two").close();
    assert.deepEqual([textOf(stream), stream.state], ["one two", "whole"]);
    assert.equal(fieldOf(stream, "Content-Type"), "text/plain");
    program.exit();
    const [exchange] = world.finished;
    assert.deepEqual([exchange?.application, exchange?.handling.worker], ["cgi", 4711]);
    assert.deepEqual(world.faults, []);
    await world.isClean();
  });

  it("may send a head alone", async (t) => {
    const world = new World(t);
    const [stream, program] = await world.run();
    program.write("Status: 404\n\n");
    assert.equal(stream.state, "open");
    program.close().exit();
    assert.deepEqual([stream.status, fieldOf(stream, "Content-Length")], [404, "0"]);
    for (const [method, head] of [
      ["HEAD", `Content-Length: 5\n${HTML}`],
      ["GET", "Status: 304\n\n"],
      ["GET", "Status: 204\n\n"],
    ] as const) {
      const [bodiless, other] = await world.run({ method });
      other.write(`${head}ignored`);
      assert.deepEqual([bodiless.state, textOf(bodiless)], ["whole", ""]);
      // What it does meanwhile is its own affair.
      assert.deepEqual(other.asked, []);
      other.write("more").close().exit();
    }
    assert.deepEqual(world.faults, []);
    await world.isClean();
  });

  for (const [what, output, end, status, fault] of [
    ["writes nothing", "", {}, 500, "the program has sent no response"],
    [
      "fails before its head",
      "",
      { code: 1 },
      500,
      "the program has sent no response; the program ended with exit code 1",
    ],
    [
      "is killed before its head",
      "Content-Type: a",
      { code: null, signal: 11 },
      500,
      "the program has not ended its header block with an empty line; the program ended with signal 11",
    ],
    [
      "is lost before its head",
      "",
      { code: null, failure: "the launcher has ended" },
      502,
      "the program failed: the launcher has ended",
    ],
    [
      "fails after its response",
      `${HTML}ok`,
      { code: 2 },
      200,
      "the program ended with exit code 2",
    ],
  ] as const)
    it(`that ${what} is ${status}, and in the log`, async (t) => {
      const world = new World(t);
      const [stream, program] = await world.run();
      program.complain("Traceback\n").complain("Error: x\n");
      if (output !== "") program.write(output);
      if (!("failure" in end)) program.close();
      program.exit(end);
      assert.deepEqual([stream.status, stream.state], [status, "whole"]);
      assert.deepEqual([world.faults, world.errors], [[fault], ["Traceback\nError: x\n"]]);
      await world.isClean();
    });

  it("that cannot be started is 500, and in the log", async (t) => {
    const world = new World(t);
    const stream = world.ask();
    const program = await until("it is asked for", () => world.programs[0] ?? null);
    program.exit({ code: null, failure: "Exec format error" });
    assert.equal(stream.status, 500);
    assert.deepEqual(world.faults, ["the program failed: Exec format error"]);
    await world.isClean();
  });

  it("that cannot be started at this moment is 503", async (t) => {
    const world = new World(t);
    const stream = world.ask();
    const program = await until("it is asked for", () => world.programs[0] ?? null);
    program.exit({ code: null, failure: "the launcher has ended", isForNow: true });
    assert.equal(stream.status, 503);
    assert.deepEqual(world.faults, ["the program failed: the launcher has ended"]);
    await world.isClean();
  });

  it("whose launcher ends after its head is cut", async (t) => {
    const world = new World(t);
    const [stream, program] = await world.run();
    program.write(`${HTML}half`).exit({ code: null, failure: "the launcher has ended" });
    assert.deepEqual([stream.state, world.faults.length], ["reset", 1]);
    await world.isClean();
  });

  it("that sends a wrong head, or a body without a type, is 500 and ended", async (t) => {
    for (const output of ["<html>\n\n", "Status: 200\n\nbody", `X: ${"a".repeat(40_000)}`]) {
      const world = new World(t);
      const [stream, program] = await world.run();
      program.write(output);
      assert.deepEqual([stream.status, stream.state], [500, "whole"]);
      assert.doesNotMatch(textOf(stream), /html>|body\n/);
      assert.deepEqual([program.asked, world.faults.length], [["end"], 1]);
      assert.equal(world.queue.running, 1);
      program.write("more").exit({ code: null, signal: 15 });
      assert.equal(world.faults.length, 1);
      await world.isClean();
    }
  });

  it("that sends less than its Content-Length is cut, and in the log", async (t) => {
    const world = new World(t);
    const [stream, program] = await world.run();
    program.write(`Content-Length: 5\n${HTML}abc`).close().exit();
    assert.equal(stream.state, "reset");
    assert.match(world.faults.join(), /2 bytes less/);
    const [empty, other] = await world.run();
    other.write("Status: 200\nContent-Length: 5\n\n").close().exit();
    assert.equal(empty.status, 500);
    assert.match(world.faults.join(), /5 bytes less/);
    await world.isClean();
  });

  it("that sends more than its Content-Length has a whole response, and a line in the log", async (t) => {
    const world = new World(t);
    for (const pieces of [["abcde\n"], ["abcde", "\n", "more"]]) {
      const [stream, program] = await world.run();
      program.write(`Content-Length: 5\n${HTML}`);
      for (const piece of pieces) program.write(piece);
      assert.deepEqual([stream.state, textOf(stream)], ["whole", "abcde"]);
      program.close().exit();
    }
    assert.equal(world.faults.length, 2);
    await world.isClean();
  });

  it("has no orders for the client", async (t) => {
    const world = new World(t);
    const [stream, program] = await world.run();
    program.write(`X-Accel-Redirect: /secret\n${HTML}ok`).close().exit();
    assert.equal(fieldOf(stream, "X-Accel-Redirect"), undefined);
  });
});

describe("the deadline", () => {
  it("of the head is 504 and kills the program", async (t) => {
    const world = new World(t, { timeoutMs: 20 });
    const [stream, program] = await world.run();
    program.write("Content-Type: text/html\n");
    await until("504", () => stream.state === "whole");
    assert.deepEqual([stream.status, program.asked], [504, ["kill"]]);
    assert.match(world.faults.join(), /not responded within 0\.02 s \(--timeout\)/);
    program.exit({ code: null, signal: 9 });
    assert.equal(world.faults.length, 1);
    await world.isClean();
  });

  it("between two pieces cuts the response", async (t) => {
    const world = new World(t, { timeoutMs: 20 });
    const [stream, program] = await world.run();
    program.write(`${HTML}one`);
    await until("a cut", () => stream.state === "reset");
    assert.deepEqual(program.asked, ["kill"]);
    assert.match(world.faults.join(), /sent nothing of its response for 0\.02 s/);
    program.exit({ code: null, signal: 9 });
    await world.isClean();
  });

  it("waits for a client that does not read a live response", async (t) => {
    const world = new World(t, { timeoutMs: 20 });
    const [stream, program] = await world.run();
    stream.isFull = true;
    program.write("Content-Type: text/event-stream\n\nevent");
    assert.deepEqual(program.asked, ["pause"]);
    await lapse(100);
    assert.equal(stream.state, "open");
    stream.drain();
    assert.deepEqual(program.asked, ["pause", "resume"]);
    program.write("!").close().exit();
    assert.deepEqual([stream.state, world.faults], ["whole", []]);
    await world.isClean();
  });

  it("ends a program that goes on after its response", async (t) => {
    const world = new World(t, { timeoutMs: 20 });
    const [stream, program] = await world.run();
    program.write(`${HTML}ok`).close();
    assert.equal(stream.state, "whole");
    await until("it is killed", () => program.asked.includes("kill"));
    assert.match(world.faults.join(), /went on for 0\.02 s \(--timeout\) after its response/);
    program.exit({ code: null, signal: 9 });
    await world.isClean();
  });
});

describe("a client", () => {
  it("that leaves ends the program", async (t) => {
    const world = new World(t);
    for (const output of ["", HTML, `${HTML}some`]) {
      const [stream, program] = await world.run();
      if (output !== "") program.write(output);
      stream.leave();
      assert.deepEqual(program.asked, ["end"]);
      program.write("late").close().exit({ code: null, signal: 15 });
    }
    assert.deepEqual(world.faults, []);
    await world.isClean();
  });

  it("that leaves while its body comes, or while it waits, starts nothing", async (t) => {
    const world = new World(t, { concurrency: 1 });
    const coming = world.ask({ method: "POST", bodyLength: null });
    coming.push(Buffer.alloc(300_000));
    coming.leave();
    const [, program] = await world.run();
    const waiting = world.ask();
    await until("one waits", () => world.queue.waiting === 1);
    waiting.leave();
    assert.equal(world.queue.waiting, 0);
    program.write(`${HTML}ok`).close().exit();
    assert.equal(world.programs.length, 1);
    await world.isClean();
  });

  it("that is slow holds no program", async (t) => {
    const world = new World(t);
    const [stream, program] = await world.run();
    stream.isFull = true;
    program.write(HTML);
    const piece = Buffer.alloc(65_536, "a");
    for (let count = 0; count < 80; count += 1) {
      program.write(piece);
      // The file takes what has no room in memory.
      if (program.asked.at(-1) === "pause")
        await until("it goes on", () => program.asked.at(-1) === "resume");
    }
    program.close().exit();
    assert.equal(world.queue.running, 0);
    assert.equal(stream.state, "open");
    stream.drain();
    await until("all is there", () => stream.state === "whole");
    assert.equal(textOf(stream), "a".repeat(80 * 65_536));
    assert.deepEqual(world.faults, []);
    await world.isClean();
  });

  it("that is slow makes the program wait where memory and file are full", async (t) => {
    const world = new World(t, { maxResponseSpill: 0 });
    const [stream, program] = await world.run();
    stream.isFull = true;
    program.write(HTML);
    let pieces = 0;
    for (; pieces < 100 && program.asked.length === 0; pieces += 1)
      program.write(Buffer.alloc(65_536, "a"));
    // 1 MiB in the spool, 256 KiB beyond.
    assert.deepEqual([program.asked, pieces <= 23], [["pause"], true]);
    stream.drain();
    await until("it goes on", () => program.asked.at(-1) === "resume");
    program.close().exit();
    await until("all is there", () => stream.state === "whole");
    assert.equal(textOf(stream).length, pieces * 65_536);
    await world.isClean();
  });

  it("that is slow gets the whole response of a program that is lost then", async (t) => {
    const world = new World(t);
    const [stream, program] = await world.run();
    stream.isFull = true;
    program.write(HTML).write("one").write("two").close();
    program.exit({ code: null, failure: "the launcher has ended" });
    stream.drain();
    assert.deepEqual([stream.state, textOf(stream)], ["whole", "onetwo"]);
    await world.isClean();
  });

  it("that leaves in the middle of what waits for it gives memory and file back", async (t) => {
    const world = new World(t);
    const [stream, program] = await world.run();
    stream.isFull = true;
    program.write(HTML);
    for (let count = 0; count < 40; count += 1) program.write(Buffer.alloc(65_536, "a"));
    stream.leave();
    assert.equal(program.asked.at(-1), "end");
    program.exit({ code: null, signal: 15 });
    await world.isClean();
  });
});

describe("requests beyond the limits", () => {
  it("wait, and are 503 when too many do", async (t) => {
    const world = new World(t, { concurrency: 1, queue: 1 });
    const [, first] = await world.run();
    const second = world.ask();
    await until("one waits", () => world.queue.waiting === 1);
    const third = world.ask();
    await until("503", () => third.state === "whole");
    assert.deepEqual([third.status, fieldOf(third, "Retry-After")], [503, "1"]);
    first.write(`${HTML}ok`).close();
    assert.equal(world.programs.length, 1);
    first.exit();
    const program = await until("the second runs", () => world.programs[1] ?? null);
    program.write(`${HTML}ok`).close().exit();
    assert.equal(second.status, 200);
    await world.isClean();
  });

  it("are 503 where the process may open no file more", async (t) => {
    const world = new World(t, {}, new FileLimit(0));
    const stream = world.ask();
    await until("503", () => stream.state === "whole");
    assert.match(textOf(stream), /NO_DESCRIPTORS/);
    assert.equal(world.programs.length, 0);
    await world.isClean();
  });

  it("are 431 where the environment is too large", async (t) => {
    const world = new World(t, { env: { A: "a".repeat(131_072) } });
    const stream = world.ask();
    await until("431", () => stream.state === "whole");
    assert.deepEqual([stream.status, world.programs.length], [431, 0]);
    await world.isClean();
  });
});

describe("a local redirect", () => {
  it("is a GET for the other path, without the body, whatever the program does then", async (t) => {
    const world = new World(t);
    const stream = world.ask({
      method: "POST",
      bodyLength: 3,
      fields: [
        ["content-type", "a/b"],
        ["x-a", "b"],
      ],
    });
    stream.push(Buffer.from("abc"));
    stream.push(null);
    const first = await until("it runs", () => world.programs[0] ?? null);
    first.write("Location: /cgi/y?z=1\n\nignored");
    assert.deepEqual(world.rerouted, ["GET /cgi/y?z=1"]);
    const second = await until("the second runs", () => world.programs[1] ?? null);
    const { environment, input } = second.request;
    const { REQUEST_METHOD, PATH_INFO, CONTENT_TYPE, HTTP_X_A } = environment;
    assert.deepEqual(
      [REQUEST_METHOD, PATH_INFO, CONTENT_TYPE, HTTP_X_A, input.kind],
      ["GET", "/y", undefined, "b", "none"],
    );
    first.write("more").close().exit();
    second.write(`${HTML}second`).close().exit();
    assert.deepEqual([stream.status, textOf(stream)], [200, "second"]);
    assert.equal(world.finished[0]?.sentHead.method, "POST");
    assert.deepEqual(world.faults, []);
    await world.isClean();
  });

  it("is followed ten times", async (t) => {
    const world = new World(t, { concurrency: 1 });
    const stream = world.ask();
    for (let count = 0; count <= 10; count += 1) {
      const program = await until("it runs", () => world.programs[count] ?? null);
      program.write("Location: /cgi/again\n\n").close().exit();
    }
    assert.deepEqual([stream.status, world.rerouted.length], [500, 10]);
    assert.match(world.faults.join(), /too many local redirects/);
    await world.isClean();
  });
});

it("each request has one response with its own bytes, and gives all back, whatever happens", async (t) => {
  const world = new World(t, { concurrency: 1000, maxResponseSpill: 300_000 });
  const piece = fc.constantFrom(
    HTML,
    "Content-Type: text/event-stream\n\n",
    "Content-Length: 4\n",
    "Status: 404 No\n\n",
    "Status: 204\n\n",
    "Location: /cgi/other\n\n",
    "\n",
    "ab",
    "c".repeat(70_000),
    "d".repeat(1_200_000),
  );
  const step = fc.oneof(
    { weight: 4, arbitrary: piece.map((text) => ({ kind: "write", text }) as const) },
    fc.constantFrom(
      { kind: "close" } as const,
      { kind: "exit" } as const,
      { kind: "lost" } as const,
      { kind: "leave" } as const,
      { kind: "full" } as const,
      { kind: "drain" } as const,
      { kind: "turn" } as const,
    ),
  );
  const method = fc.constantFrom("GET", "HEAD", "POST");
  const property = fc.asyncProperty(
    method,
    fc.array(step, { maxLength: 14 }),
    async (how, steps) => {
      const first = world.programs.length;
      const [stream, program] = await world.run({ method: how });
      const done = { output: "", hasClosed: false, hasEnded: false, hasLeft: false };
      const close = (): void => {
        if (!done.hasClosed && !isStopped(program)) program.close();
        done.hasClosed = true;
      };
      for (const one of [
        ...steps,
        { kind: "drain" },
        { kind: "close" },
        { kind: "exit" },
      ] as const) {
        if (one.kind === "turn") await new Promise(setImmediate);
        else if (one.kind === "full") stream.isFull = true;
        else if (one.kind === "drain") stream.drain();
        else if (one.kind === "leave") {
          stream.leave();
          done.hasLeft = true;
        } else if (done.hasEnded) continue;
        else if (one.kind === "write" && !done.hasClosed && !isStopped(program)) {
          program.write(one.text);
          done.output += one.text;
        } else if (one.kind === "close") close();
        else if (one.kind !== "write") {
          if (one.kind === "exit") close();
          program.exit(one.kind === "exit" ? {} : { code: null, failure: "lost" });
          done.hasEnded = true;
        }
      }
      // The programs of local redirects.
      await until("a response", () => {
        for (const other of world.programs.slice(first + 1))
          if (other.asked.at(-1) !== "over") {
            other.write(`${HTML}other`).close().exit();
            other.asked.push("over");
          }
        stream.drain();
        return stream.state !== "open";
      });
      if (
        stream.state === "whole" &&
        stream.status < 300 &&
        how !== "HEAD" &&
        world.programs.length === first + 1
      )
        assert(done.output.includes(textOf(stream)));
      if (!done.hasLeft && stream.state === "reset") assert(world.faults.length > 0);
      await world.isClean();
      world.faults.length = 0;
    },
  );
  await fc.assert(property, { numRuns: 300 });
});

describe("a path", () => {
  for (const [path, status] of [
    ["/cgi/a%2fb", 404],
    ["/cgi/a%2Fb", 404],
  ] as const)
    it(`${path} is ${status}`, async (t) => {
      const world = new World(t);
      const stream = world.ask({ path });
      await until("a response", () => stream.state === "whole");
      assert.deepEqual([stream.status, world.programs.length], [status, 0]);
    });

  it("of a file that is no program is 403, of none 404", async (t) => {
    const world = new World(t);
    chmodSync(join(world.folder, "prog"), 0o644);
    const stream = world.ask();
    await until("a response", () => stream.state === "whole");
    assert.equal(stream.status, 403);
    assert.doesNotMatch(textOf(stream), /bin/);
    assert.deepEqual(world.faults, ["not a program /cgi/x"]);
  });

  it("of a WebSocket over HTTP/2 is 403", (t) => {
    const stream = new World(t).ask({ method: "CONNECT", protocol: "websocket" });
    assert.equal(stream.status, 403);
  });
});
