// Reloads in development: what waits for what, with a server whose loads end when the test says so.
// test/e2e/development.test.ts has the real one.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { Log } from "../../src/observe/log.ts";
import type { FilePatterns } from "../../src/supervisor/code-files.ts";
import { Development, type DevelopedServer } from "../../src/supervisor/development.ts";
import { scratchSink } from "../observe/scratch-log.ts";
import { until } from "../support/deadline.ts";
import { makeScratch } from "../support/scratch.ts";

const SUPERSEDED = "another load of the application began";

/** A server whose newest load is the one that counts, as the pool's is. */
class Subject implements DevelopedServer {
  readonly folder: string;
  readonly development: Development;
  readonly readLog: () => Promise<string>;
  /** What was done to it, in order. */
  readonly calls: string[] = [];
  /** Why the last load failed, as an application keeps it. */
  #failure: string | null = null;
  #load: PromiseWithResolvers<string | null> | null = null;

  constructor(folder: string, failure: string | null, files: FilePatterns) {
    this.#failure = failure;
    const { sink, read } = scratchSink();
    this.folder = folder;
    this.readLog = read;
    this.development = new Development({
      server: this,
      log: new Log(sink, { level: "info", format: "json" }),
      folders: [folder],
      files,
      developing: true,
    });
  }

  async reload(): Promise<string | null> {
    this.calls.push("reload");
    this.#load?.resolve(SUPERSEDED);
    this.#load = Promise.withResolvers();
    const failure = await this.#load.promise;
    if (failure !== SUPERSEDED) this.#failure = failure;
    return failure;
  }

  hold(): void {
    if (this.calls.at(-1) !== "hold") this.calls.push("hold");
  }

  async refresh(change: string): Promise<void> {
    this.calls.push(`refresh ${change}`);
  }

  resume(): void {
    this.calls.push(this.#failure === null ? "resume" : `resume: ${this.#failure}`);
  }

  save(name = "app.py", text = ""): void {
    writeFileSync(join(this.folder, name), text);
  }

  endLoad(failure: string | null = null): void {
    this.#load?.resolve(failure);
  }

  async does(call: string): Promise<void> {
    await until(`${call} after ${this.calls.join(", ")}`, () => this.calls.at(-1) === call);
  }
}

/** `failure`: why the code of the start did not load. */
async function develop(
  context: TestContext,
  failure: string | null = null,
  files: FilePatterns = { include: [], exclude: [] },
): Promise<Subject> {
  const subject = new Subject(makeScratch(context), failure, files);
  context.after(() => subject.development.close());
  await subject.development.watch();
  return subject;
}

test("a file of pages is told to the pages and loads nothing, a style sheet as such", async (t) => {
  const subject = await develop(t);
  subject.development.begin();
  subject.save("a.css");
  await subject.does("refresh styles");
  for (const name of ["b.css", "b.js", "c.css"])
    subject.development.onChange(join(subject.folder, name));
  await subject.does("refresh page");
  assert.deepEqual(subject.calls, ["refresh styles", "refresh page"]);
  subject.save("app.py");
  await subject.does("reload");
  subject.endLoad();
  await subject.does("resume");
});

test("a page that is saved during a load is read anew after it", async (t) => {
  const subject = await develop(t);
  const { development, folder } = subject;
  development.begin();
  development.onChange(join(folder, "app.py"));
  await subject.does("reload");
  development.onChange(join(folder, "a.js"));
  // Longer than a page's change settles: the load lasts.
  await new Promise((resolve) => setTimeout(resolve, 150));
  subject.endLoad();
  await subject.does("refresh page");
  assert.deepEqual(subject.calls, ["hold", "reload", "resume", "refresh page"]);
});

test("requests wait from a change until the new code serves", async (t) => {
  const subject = await develop(t);
  subject.development.begin();
  subject.save();
  await subject.does("hold");
  await subject.does("reload");
  subject.endLoad();
  await subject.does("resume");
  assert.deepEqual(subject.calls, ["hold", "reload", "resume"]);
  assert.match(await subject.readLog(), /"event":"server.reloaded".*"changed":"app.py"/);
});

test("--reload-include makes a file code, also a style sheet, and --reload-exclude makes one none", async (t) => {
  const files = { include: ["*.yaml", "a.css"], exclude: ["test_*.py", "*.css"] };
  const subject = await develop(t, null, files);
  subject.development.begin();
  for (const name of ["test_app.py", "b.css", "c.txt"]) subject.save(name);
  for (const name of ["menu.yaml", "a.css"]) {
    subject.save(name);
    await subject.does("reload");
    subject.endLoad();
    await subject.does("resume");
  }
  assert.equal(subject.calls.filter((call) => call === "reload").length, 2);
  assert.match(await subject.readLog(), /"changed":"menu.yaml"[^]*"changed":"a.css"/);
  assert.doesNotMatch(await subject.readLog(), /test_app|b\.css|c\.txt/);
  assert.ok(!subject.calls.some((call) => call.startsWith("refresh")));
});

test("code that does not load is shown until it is fixed", async (t) => {
  const subject = await develop(t);
  subject.development.begin();
  subject.save();
  await subject.does("reload");
  subject.endLoad("NameError");
  await subject.does("resume: NameError");
  subject.save();
  await subject.does("reload");
  subject.endLoad();
  await subject.does("resume");
  assert.match(await subject.readLog(), /"event":"server.reload-failed","message":".*NameError"/);
});

test("a change during a load causes another load, and only its outcome is reported", async (t) => {
  const subject = await develop(t);
  subject.development.begin();
  subject.save("a.py");
  await subject.does("reload");
  subject.save("b.py");
  await until(
    "the second load",
    () => subject.calls.filter((call) => call === "reload").length === 2,
  );
  subject.endLoad();
  await subject.does("resume");
  assert.deepEqual(subject.calls, ["hold", "reload", "hold", "reload", "resume"]);
  const log = await subject.readLog();
  assert.equal(log.split("\n").length, 2, log);
  assert.match(log, /"changed":"a.py and 1 more"/);
});

test("the outcome of a load that ends after the next change is not reported", async (t) => {
  const subject = await develop(t);
  subject.development.begin();
  subject.save("a.py");
  await subject.does("reload");
  subject.development.onChange(join(subject.folder, "b.py"));
  subject.endLoad();
  await subject.does("reload");
  assert.deepEqual(subject.calls, ["hold", "reload", "hold", "reload"]);
  subject.endLoad();
  await subject.does("resume");
});

test("a change during the start is loaded when the server has started", async (t) => {
  const subject = await develop(t, "SyntaxError");
  subject.development.onChange(join(subject.folder, "app.py"));
  assert.deepEqual(subject.calls, []);
  subject.development.begin();
  await subject.does("reload");
  subject.endLoad();
  await subject.does("resume");
});

test("a request for a reload gets the outcome, also without a changed file", async (t) => {
  const subject = await develop(t);
  subject.development.begin();
  const asked = [subject.development.request("a"), subject.development.request("b")];
  await subject.does("reload");
  subject.endLoad("NameError");
  for (const outcome of await Promise.all(asked)) assert.equal(outcome.kind, "failed");
});

test("at the stop waiting requests are served by the old code", async (t) => {
  const subject = await develop(t, "SyntaxError");
  subject.development.begin();
  subject.save();
  await subject.does("reload");
  const asked = subject.development.request("a");
  subject.development.close();
  assert.deepEqual(await asked, { kind: "stopped" });
  assert.deepEqual(subject.calls.at(-1), "resume: SyntaxError");
  subject.endLoad();
  assert.deepEqual(await subject.development.request("b"), { kind: "stopped" });
});

test("the bytecode of a changed file is deleted before the load", async (t) => {
  const subject = await develop(t);
  subject.development.begin();
  mkdirSync(join(subject.folder, "__pycache__"));
  const compiled = join(subject.folder, "__pycache__", "app.cpython-311.pyc");
  writeFileSync(compiled, "");
  subject.save();
  await subject.does("reload");
  assert(!existsSync(compiled));
});
