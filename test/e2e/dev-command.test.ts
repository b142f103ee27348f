// typhon dev as a whole: code that does not load, .env, the events of pages, files, the access log, the stop; and
// that no other mode has any of it. test/e2e/error-pages.test.ts has the exceptions of requests.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";

import { ChangingApp } from "../supervisor/changing-app.ts";
import { until, within, PATIENCE_MS } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { RawClient, type RawResponse } from "../support/raw-client.ts";
import { makeScratch, type Scope } from "../support/scratch.ts";
import { runTyphon, startTyphon, type Typhon } from "../support/typhon.ts";

const HTML = "Accept: text/html\r\nSec-Fetch-Dest: document\r\n";
const HELLO = `import os
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/html")])
    if environ["PATH_INFO"] == "/boom":
        raise ValueError("boom")
    while environ["PATH_INFO"] == "/loop":
        pass
    return [b"<!doctype html>" + os.environ.get("NAME", "nobody").encode()]
`;

/** Files in a folder of their own, and the arguments that serve them. */
function project(scope: Scope): { folder: string; words: string[]; save: Save } {
  const folder = makeScratch(scope);
  mkdirSync(join(folder, "public"));
  const save: Save = (name, text) => writeFileSync(join(folder, name), text);
  save("hello.py", HELLO);
  save("public/a.css", "p { color: red }");
  save("public/index.html", "<!doctype html><p>file</p>");
  return {
    folder,
    words: ["hello:app", "--app-dir", folder, "--static", join(folder, "public")],
    save,
  };
}
type Save = (name: string, text: string) => void;

async function get(typhon: Typhon, path: string, fields = HTML): Promise<RawResponse> {
  const client = await RawClient.connect(typhon);
  const response = await client.get(path, fields);
  client.destroy();
  return response;
}

/** The events of a page that the server has sent so far. */
class Events {
  text = "";

  static async of(scope: Scope, typhon: Typhon): Promise<Events> {
    const { text } = await get(typhon, "/");
    const version = /data-version="([^"]+)"/.exec(text)?.[1] ?? "";
    const events = new Events();
    const aborter = new AbortController();
    scope.after(() => aborter.abort());
    const response = await fetch(`${typhon.url}/.typhon/reload?since=${version}`, {
      signal: aborter.signal,
    });
    void events.#read(response);
    return events;
  }

  async #read({ body }: Response): Promise<void> {
    try {
      for await (const piece of body ?? []) this.text += Buffer.from(piece).toString();
    } catch {
      // The test is over.
    }
  }

  async hear(event: string): Promise<void> {
    await until(`the event ${event} in ${this.text}`, () => this.text.includes(`event: ${event}`));
    this.text = "";
  }
}

describe("one developer's server", () => {
  let typhon: Typhon;
  let save: Save;

  before(async () => {
    const made = project(FILE);
    ({ save } = made);
    save(".env", 'FIRST=one\nNAME="${FIRST} two"\n');
    typhon = await startTyphon(FILE, ["dev", ...made.words]);
  });

  async function after(change: () => void): Promise<RawResponse> {
    const from = typhon.output.all.length;
    change();
    await typhon.output.waitFor(/new code (?:serves|does not load)/, from);
    return await get(typhon, "/");
  }

  test("the application has the variables of .env, and new ones with the first response after a save", async () => {
    assert.match((await get(typhon, "/")).text, /^<!doctype html>one two\n<script/);
    for (let round = 0; round < 3; round += 1) {
      const { text } = await after(() => save(".env", `NAME=round${round}`));
      assert.match(text, new RegExp(`^<!doctype html>round${round}\n`));
    }
  });

  test("code that does not load has a page with its source, and a traceback for others", async (t) => {
    const events = await Events.of(t, typhon);
    const { status, text } = await after(() => save("hello.py", `${HELLO}\nlimit = 1 / 0\n`));
    assert.equal(status, 500);
    assert.match(text, /The application does not load/);
    assert.match(text, /<h1>ZeroDivisionError<\/h1>/);
    assert.match(text, /<mark>.*limit = 1 \/ 0<\/mark>/);
    assert.match(text, /<script src="\/\.typhon\/reload\.js"/);
    await events.hear("page");
    const plain = await get(typhon, "/", "Accept: */*\r\n");
    assert.match(plain.text, /^importing 'hello' failed\nTraceback[\s\S]*ZeroDivisionError/);
    assert.deepEqual(plain.fields.get("content-type"), ["text/plain; charset=utf-8"]);
    const broken = await after(() => save("hello.py", "x = (\n"));
    assert.match(broken.text, /<h1>SyntaxError<\/h1>[\s\S]*<mark>.*x = \(<\/mark>\n +\^/);
    assert.equal((await after(() => save("hello.py", HELLO))).status, 200);
    await events.hear("page");
  });

  test("a saved file of pages is told, and loads no code", async (t) => {
    const events = await Events.of(t, typhon);
    const from = typhon.output.all.length;
    save("public/a.css", "p { color: blue }");
    await events.hear("styles");
    assert.match((await get(typhon, "/static/a.css")).text, /blue/);
    save("public/b.js", "1");
    await events.hear("page");
    assert.doesNotMatch(typhon.output.all.slice(from), /new code/);
  });

  test("pages that are files have the script, in whole, compressed, and not in parts", async () => {
    const whole = await get(typhon, "/static/");
    assert.match(whole.text, /^<!doctype html><p>file<\/p>\n<script/);
    assert.deepEqual(whole.fields.get("cache-control"), ["no-store"]);
    const part = await get(typhon, "/static/", `${HTML}Range: bytes=0-4\r\n`);
    assert.deepEqual([part.status, part.text], [206, "<!doc"]);
    const script = await get(typhon, "/static/", "Accept: */*\r\nSec-Fetch-Dest: empty\r\n");
    assert.equal(script.text, "<!doctype html><p>file</p>");
    const [tag] = script.fields.get("etag") ?? [];
    const kept = await get(typhon, "/static/", `Accept: */*\r\nIf-None-Match: ${tag}\r\n`);
    assert.equal(kept.status, 304);
    assert.equal((await get(typhon, "/static/", `${HTML}If-None-Match: ${tag}\r\n`)).status, 200);
  });

  test("the access log on the terminal has the requests, and none of the pages' own", async () => {
    await get(typhon, "/.typhon/reload.js");
    await get(typhon, "/logged");
    await typhon.output.waitFor(/"GET \/logged HTTP\/1\.1" 200/);
    assert.doesNotMatch(typhon.output.all, /\/\.typhon/);
  });
});

test("requests that come while a saved .env is loaded get its variables, and none the old", async (t) => {
  const app = new ChangingApp(t);
  const first = "import os\nif 'GATE' in os.environ: wait_for('gate')";
  writeFileSync(app.file, app.source("TEXT", first).replace('"TEXT"', 'os.environ["TEXT"]'));
  const env = join(app.folder, ".env");
  writeFileSync(env, "TEXT=old\n");
  const typhon = await startTyphon(t, ["dev", ...app.args]);
  writeFileSync(env, "TEXT=new\nGATE=1\n");
  await until("it is loading", () => app.waitsFor("gate"));
  const clients = await Promise.all([1, 2, 3].map(() => RawClient.connect(typhon)));
  for (const client of clients) client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  app.go("gate");
  for (const client of clients) {
    assert.equal((await client.readResponse()).text, "new");
    client.destroy();
  }
});

test("a deadline reaches the application through its pages", async (t) => {
  const { words } = project(t);
  const options = ["--threads", "1", "--timeout", "1"];
  const typhon = await startTyphon(t, ["dev", ...words, ...options]);
  const late = await get(typhon, "/loop");
  assert.equal(late.status, 504);
  assert.match(late.text, /DEADLINE[\s\S]*<script src="\/\.typhon/);
  // By the only thread of the same worker.
  assert.equal((await get(typhon, "/")).status, 200);
  await typhon.output.waitFor(/"GET \/ HTTP\/1\.1" 200.* worker=1\b/);
});

test("pages that wait for events do not hold up the end", async (t) => {
  const { words } = project(t);
  const typhon = await startTyphon(t, ["dev", ...words]);
  await Events.of(t, typhon);
  const begin = typhon.output.all.length;
  typhon.signal("SIGINT");
  await typhon.output.waitFor(/SIGINT: finishing what runs/, begin);
  // The graceful timeout is longer.
  const exit = await within(PATIENCE_MS, typhon.exited, "the end");
  assert.deepEqual(exit, { code: 0, signal: null });
});

test("no other mode has scripts, pages or paths of this; run is the usual command", async (t) => {
  const { words, save } = project(t);
  save(".env", "NAME=unread");
  const typhon = await startTyphon(t, ["run", ...words, "--reload"]);
  assert.equal((await get(typhon, "/")).text, "<!doctype html>nobody");
  assert.equal((await get(typhon, "/static/")).text, "<!doctype html><p>file</p>");
  // The application's.
  assert.equal((await get(typhon, "/.typhon/reload.js")).text, "<!doctype html>nobody");
  const { status, text } = await get(typhon, "/boom");
  assert.equal(status, 500);
  assert.doesNotMatch(text, /ValueError|<script/);
});

test("typhon dev --help says what differs", async () => {
  const { code, stdout } = await runTyphon(["dev", "--help"]);
  assert.equal(code, 0);
  assert.match(stdout, /^Usage: typhon dev \[APP\] \[options\]/);
});
