// The weblog of Flask's tutorial behind the real command: a whole session of a reader and two authors,
// with cookies, forms, redirects and SQLite, over several workers.

import assert from "node:assert/strict";
import { join } from "node:path";
import { before, test } from "node:test";

import { FILE } from "../support/file-scope.ts";
import { Browser } from "../support/browser.ts";
import { makeScratch } from "../support/scratch.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";

let typhon: Typhon;

before(async () => {
  const database = join(makeScratch(FILE), "flaskr.sqlite");
  typhon = await startTyphon(FILE, ["flaskr:create_app()", "--workers", "2"], {
    env: { FLASKR_DATABASE: database },
  });
});

async function registered(name: string): Promise<Browser> {
  const browser = new Browser(typhon.url);
  const form = { username: name, password: `secret of ${name}` };
  const login = await browser.post("/auth/register", form);
  assert.equal(login.path, "/auth/login");
  const index = await browser.post("/auth/login", form);
  assert.equal(index.path, "/");
  assert.match(index.html, new RegExp(`<span>${name}</span>`));
  return browser;
}

test("shows the list to a reader without an account", async () => {
  const page = await new Browser(typhon.url).get("/");
  assert.equal(page.status, 200);
  assert.match(page.html, /<a href="\/auth\/login">Log in<\/a>/);
});

test("sends a reader without an account from a guarded page to the form", async () => {
  const page = await new Browser(typhon.url).get("/create");
  assert.equal(page.path, "/auth/login");
});

test("registers, logs in by a session cookie, and logs out", async () => {
  const browser = await registered("in-and-out");
  assert.notEqual(browser.cookie("session"), undefined);
  const page = await browser.get("/auth/logout");
  assert.match(page.html, /Log in/);
  assert.equal((await browser.get("/create")).path, "/auth/login");
});

test("refuses a name that is taken and a password that is wrong", async () => {
  await registered("taken");
  const other = new Browser(typhon.url);
  const again = await other.post("/auth/register", { username: "taken", password: "x" });
  assert.match(again.html, /The name taken is taken/);
  const wrong = await other.post("/auth/login", { username: "taken", password: "guess" });
  assert.equal(wrong.path, "/auth/login");
  assert.match(wrong.html, /Name or password is wrong/);
  assert.equal((await other.get("/create")).path, "/auth/login");
});

test("posts, edits and deletes, with text beyond ASCII", async () => {
  const browser = await registered("author");
  const posted = await browser.post("/create", { title: "Grüße & <b>", body: "naïve café 🐍" });
  assert.equal(posted.path, "/");
  assert.match(posted.html, /<h2>Grüße &amp; &lt;b&gt;<\/h2>/);
  assert.match(posted.html, /naïve café 🐍/);
  const number = /id="post-(\d+)"/.exec(posted.html)?.[1];
  assert(number !== undefined);

  const form = await browser.get(`/${number}/update`);
  assert.match(form.html, /value="Grüße &amp; &lt;b&gt;"/);
  const edited = await browser.post(`/${number}/update`, { title: "Second", body: "thoughts" });
  assert.match(edited.html, /<h2>Second<\/h2>/);
  assert.doesNotMatch(edited.html, /Grüße/);

  const untitled = await browser.post(`/${number}/update`, { title: "", body: "x" });
  assert.match(untitled.html, /A title is needed/);

  const deleted = await browser.post(`/${number}/delete`, {});
  assert.doesNotMatch(deleted.html, /<h2>Second<\/h2>/);
  assert.equal((await browser.get(`/${number}/update`)).status, 404);
});

test("lets nobody change the post of another", async () => {
  const author = await registered("owner");
  const posted = await author.post("/create", { title: "Mine", body: "" });
  const number = /id="post-(\d+)"/.exec(posted.html)?.[1] ?? "";
  const other = await registered("stranger");
  assert.equal((await other.get(`/${number}/update`)).status, 403);
  assert.equal((await other.post(`/${number}/delete`, {})).status, 403);
  assert.match((await author.get("/")).html, /<h2>Mine<\/h2>/);
});

test("keeps the sessions of many authors at once apart", async () => {
  const names = Array.from({ length: 8 }, (_, at) => `author-${at}`);
  const browsers = await Promise.all(names.map((name) => registered(name)));
  await Promise.all(
    browsers.map((browser, at) => browser.post("/create", { title: `by ${names[at]}`, body: "" })),
  );
  const pages = await Promise.all(browsers.map((browser) => browser.get("/")));
  for (const [at, page] of pages.entries()) {
    assert.match(page.html, new RegExp(`<span>${names[at]}</span>`));
    for (const name of names) assert.match(page.html, new RegExp(`<h2>by ${name}</h2>`));
  }
});
