// typhon dev in a real browser: a page shows what a save has broken, and is well again when that is mended, without
// a hand on the browser; styles change in the page that is there.

import assert from "node:assert/strict";
import { mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";

import { Chromium, type Page } from "../../support/chromium.ts";
import { until } from "../../support/deadline.ts";
import { FILE } from "../../support/file-scope.ts";
import { makeScratch } from "../../support/scratch.ts";
import { startTyphon, type Typhon } from "../../support/typhon.ts";

const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'";

/** Flask, as most begin with it. */
const source = (text: string): string => `
import os
from flask import Flask, render_template
app = Flask(__name__)

@app.get("/")
def home():
    return render_template("home.html", text=${text}, name=os.environ.get("NAME"))

@app.get("/strict")
def strict():
    return home(), {"Content-Security-Policy": "${POLICY}"}

@app.get("/boom")
def boom():
    amount = 4711
    return amount / 0
`;

const TEMPLATE = `<!doctype html><title>{{ text }}</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="/static/style.css"><p id="text">{{ text }} {{ name }}</p>`;

let folder: string;
let typhon: Typhon;
let browser: Chromium;

before(async () => {
  folder = makeScratch(FILE);
  for (const name of ["templates", "public"]) mkdirSync(join(folder, name));
  save("app.py", source("'first'"));
  save("templates/home.html", TEMPLATE);
  save("public/style.css", "#text { color: rgb(1, 2, 3) }");
  save("public/plain.html", "<!doctype html><title>plain</title><p id=text>plain</p>");
  save(".env", "NAME=one\n");
  [typhon, browser] = await Promise.all([
    startTyphon(FILE, ["dev", "app:app", "--app-dir", folder, "--static", `${folder}/public`], {
      cwd: folder,
    }),
    Chromium.start(FILE),
  ]);
});

function save(name: string, text: string): void {
  writeFileSync(join(folder, name), text);
}

async function open(path: string): Promise<Page> {
  const page = await browser.open();
  await page.show(`${typhon.url.replace("127.0.0.1", "localhost")}${path}`);
  return page;
}

test("a save that breaks the code is shown, and the mended page comes by itself", async () => {
  for (const path of ["/", "/strict"]) {
    save("app.py", source("'first'"));
    const page = await open(path);
    await page.shows(/first one/);
    await page.run("sessionStorage.own = 'kept'");
    save("app.py", source("'second' +"));
    await page.shows(/SyntaxError[\s\S]*text='second' \+,/);
    save("app.py", source("'third'"));
    await page.shows(/third one/);
    save("templates/home.html", TEMPLATE.replace("{{ name }}", "of a template"));
    await page.shows(/third of a template/);
    save("templates/home.html", TEMPLATE);
    await page.shows(/third one/);
    save(".env", "NAME=two\n");
    await page.shows(/third two/);
    save(".env", "NAME=one\n");
    await page.shows(/third one/);
    assert.equal(await page.run("sessionStorage.own"), "kept");
    await page.show("about:blank");
  }
});

test("the page of an exception has its looks, its variables and nothing to complain of", async () => {
  const page = await open("/boom");
  await page.shows(/ZeroDivisionError[\s\S]*amount\s+4711/);
  const weight = "getComputedStyle(document.querySelector('table')).borderCollapse";
  assert.equal(await page.run(weight), "collapse");
  const open_ = "[...document.querySelectorAll('details[open]')].map((one) => one.className)";
  assert.deepEqual(await page.run(open_), ["own"]);
  assert.deepEqual(
    page.errors.filter((error) => !error.includes("status of 500")),
    [],
  );
  save("app.py", source("'fourth'").replace("amount / 0", "'mended'"));
  await page.shows(/^mended/);
  save("app.py", source("'first'"));
  await page.shows(/ZeroDivisionError/);
});

test("a style sheet is changed in the page that is there", async () => {
  const page = await open("/");
  await page.run("window.own = 'kept'");
  const color = "getComputedStyle(document.querySelector('#text')).color";
  assert.equal(await page.run(color), "rgb(1, 2, 3)");
  save("public/style.css", "#text { color: rgb(3, 2, 1) }");
  await until("the color changes", async () => (await page.run(color)) === "rgb(3, 2, 1)");
  await until(
    "one sheet is left",
    async () => (await page.run("document.styleSheets.length")) === 1,
  );
  assert.equal(await page.run("window.own"), "kept");
  assert.deepEqual(page.errors, []);
});

test("a page that is a file reloads when it is saved", async () => {
  const page = await open("/static/plain.html");
  save("public/plain.html", "<!doctype html><title>plain</title><p>saved</p>");
  await page.shows(/saved/);
});

test("a page that reloads has no old script, even if its file was old", async () => {
  save("public/word.js", "document.querySelector('#text').textContent = 'old word'");
  const old = new Date("2020-01-01");
  utimesSync(join(folder, "public/word.js"), old, old);
  const tag = "<!doctype html><p id=text></p><script src=/static/word.js></script>";
  save("public/script.html", tag);
  const page = await open("/static/script.html");
  await page.shows(/old word/);
  save("public/word.js", "document.querySelector('#text').textContent = 'new word'");
  await page.shows(/new word/);
});

test("a page that was not seen is new when it is seen", async () => {
  const page = await open("/");
  await page.shows(/first one/);
  // The script's own view of a page in the background.
  await page.run(`Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
    document.dispatchEvent(new Event("visibilitychange"))`);
  const from = typhon.output.all.length;
  save("app.py", source("'unseen'"));
  await typhon.output.waitFor(/changed=app\.py/, from);
  await page.shows(/first one/);
  await page.run(
    `delete document.visibilityState; document.dispatchEvent(new Event("visibilitychange"))`,
  );
  await page.shows(/unseen one/);
});
