// --reload: after a save the next request is answered by the new code; code that does not load is shown as
// a page until it is mended.

import assert from "node:assert/strict";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test, type TestContext } from "node:test";

import { ChangingApp } from "../supervisor/changing-app.ts";
import { PATIENCE_MS, until, within } from "../support/deadline.ts";
import { getOnce, RawClient, type RawResponse } from "../support/raw-client.ts";
import { FILE } from "../support/file-scope.ts";
import { makeScratch, type Scope } from "../support/scratch.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

async function develop(scope: Scope, app: ChangingApp, ...args: string[]): Promise<Typhon> {
  return await startTyphon(scope, [...app.args, "--reload", ...args]);
}

/** A server of its own. */
async function developAlone(context: TestContext): Promise<[ChangingApp, Typhon]> {
  const app = new ChangingApp(context);
  app.answer("first");
  return [app, await develop(context, app)];
}

/** Waits until a change was seen; from then on requests wait for its code. */
async function answerAfter(typhon: Typhon, change: () => void): Promise<RawResponse> {
  const from = typhon.output.all.length;
  change();
  await typhon.output.waitFor(/new code (?:serves|does not load)/, from);
  return await getOnce(typhon, "/");
}

describe("one server, from save to save", () => {
  let app: ChangingApp;
  let typhon: Typhon;

  before(async () => {
    app = new ChangingApp(FILE);
    app.answer("first");
    typhon = await develop(FILE, app);
  });

  /** Waits for so many lines of the log, which follow their responses: none is left to the next test. */
  async function told(from: number, loads: number): Promise<void> {
    const count = (): number => typhon.output.all.slice(from).split("new code serves").length - 1;
    await until("the log tells of the new code", () => count() === loads);
  }

  test("answers with the new code from the first request after it was read, save after save", async () => {
    for (let round = 1; round <= 6; round += 1) {
      const { text } = await answerAfter(typhon, () => app.answer(`round ${round}`));
      assert.equal(text, `round ${round}`);
    }
  });

  test("answers with the new code when an editor saves by a rename", async () => {
    for (const text of ["second", "third", "fourth"]) {
      const draft = `${app.file}~`;
      writeFileSync(draft, app.source(text));
      assert.equal((await answerAfter(typhon, () => renameSync(draft, app.file))).text, text);
    }
  });

  test("answers with the new code when it has the same size and second as the old", async () => {
    for (let round = 10; round < 16; round += 1) {
      const { text } = await answerAfter(typhon, () => app.answer(String(round)));
      assert.equal(text, String(round));
    }
  });

  test("requests that come while code is loaded wait for it, and none gets the old", async () => {
    const from = typhon.output.all.length;
    const clients = await Promise.all([1, 2, 3].map(() => RawClient.connect(typhon)));
    for (let round = 1; round <= 8; round += 1) {
      app.answer(`round ${round}`, `wait_for('load${round}')`);
      await until("it is loading", () => app.waitsFor(`load${round}`));
      for (const client of clients) client.write(GET);
      app.go(`load${round}`);
      for (const client of clients)
        assert.equal((await client.readResponse()).text, `round ${round}`);
    }
    for (const client of clients) client.destroy();
    await told(from, 8);
  });

  test("a change during a load takes its place", async () => {
    const from = typhon.output.all.length;
    app.answer("second", "wait_for('never')");
    await until("it is loading", () => app.waitsFor("never"));
    const client = await RawClient.connect(typhon);
    client.write(GET);
    app.answer("third");
    assert.equal((await client.readResponse()).text, "third");
    client.destroy();
    await told(from, 1);
  });

  test("a request that runs finishes with the code that it began with", async () => {
    await answerAfter(typhon, () => app.answer("begun"));
    const held = await RawClient.connect(typhon);
    held.write("GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    await until("it runs", () => app.waitsFor("hold"));
    assert.equal((await answerAfter(typhon, () => app.answer("later"))).text, "later");
    app.go("hold");
    assert.equal((await held.readResponse()).text, "begun");
    held.destroy();
  });

  test("shows why code does not load, as a page and in the log, until it is mended", async () => {
    const page = await answerAfter(typhon, () => app.answer("x", "print(<b>)"));
    assert.equal(page.status, 500);
    assert.match(page.text, /SyntaxError/);
    assert.match(page.text, /print\(&lt;b&gt;\)/);
    await typhon.output.waitFor(/ERROR the new code does not load\n(?: {4}\|.*\n)*.*SyntaxError/);
    assert.equal((await answerAfter(typhon, () => app.answer("mended"))).text, "mended");
  });

  test("the log tells in one line which file it was", async () => {
    const from = typhon.output.all.length;
    await answerAfter(typhon, () => app.answer("told"));
    await typhon.output.waitFor(/INFO {2}new code serves {2}ms=\d+ changed=changing\.py\n/, from);
    assert.equal(typhon.output.all.slice(from).split("new code").length - 1, 1);
  });

  test("SIGHUP loads the code anew here too", async () => {
    await answerAfter(typhon, () => app.answer("the same"));
    const { loads } = app;
    assert.equal((await answerAfter(typhon, () => typhon.signal("SIGHUP"))).text, "the same");
    assert.equal(app.loads, loads + 1);
  });

  test("sees a package that comes, and a template", async () => {
    await answerAfter(typhon, () => {
      mkdirSync(join(app.folder, "shop"));
      writeFileSync(join(app.folder, "shop", "__init__.py"), "NAME = 'a shop'\n");
    });
    const changed = await answerAfter(typhon, () => app.answer("second", "import shop"));
    assert.equal(changed.text, "second");
    await answerAfter(typhon, () => writeFileSync(join(app.folder, "shop", "cart.html"), ""));
    await typhon.output.waitFor(/changed=shop\/cart\.html/);
  });
});

test("shows why the very first code does not load, until it is mended", async (t) => {
  const app = new ChangingApp(t);
  app.answer("x", "raise ValueError('no database')");
  const typhon = await develop(t, app);
  const page = await getOnce(typhon, "/");
  assert.equal(page.status, 500);
  assert.match(page.text, /ValueError: no database/);
  assert.match(typhon.output.all, /ValueError: no database/);
  assert.equal((await answerAfter(typhon, () => app.answer("mended"))).text, "mended");
});

test("--reload-dir names what is watched instead", async (t) => {
  const app = new ChangingApp(t);
  app.answer("first");
  const other = makeScratch(t);
  const typhon = await develop(t, app, "--reload-dir", other);
  app.answer("second");
  const { text } = await answerAfter(typhon, () => writeFileSync(join(other, "a.toml"), ""));
  assert.equal(text, "second");
  await typhon.output.waitFor(/changed=a\.toml\n/);
});

test("a file that lies elsewhere is watched where it lies", async (t) => {
  const app = new ChangingApp(t);
  app.answer("first");
  const words = [app.file, "--app-dir", makeScratch(t), "--workers", "1", "--reload"];
  const typhon = await startTyphon(t, words);
  assert.equal((await answerAfter(typhon, () => app.answer("second"))).text, "second");
});

test("Ctrl-C while code is loaded answers who waits, and ends at once", async (t) => {
  const [app, typhon] = await developAlone(t);
  app.answer("second", "wait_for('never')");
  await until("it is loading", () => app.waitsFor("never"));
  const client = await RawClient.connect(typhon);
  client.write(GET);
  // The request is answered, but only when the server is about to end.
  typhon.signal("SIGINT");
  const answer = await within(PATIENCE_MS, client.readResponse(), "the answer");
  assert.equal(answer.text, "first");
  client.destroy();
  assert.deepEqual(await within(PATIENCE_MS, typhon.exited, "the end"), { code: 0, signal: null });
});
