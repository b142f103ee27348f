// A whole site from one typhon.toml: Django with collected static files, Flask and FastAPI on hosts and
// prefixes; a site whose file is changed and reloaded under load; `typhon check` of both.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { brotliDecompressSync } from "node:zlib";

import { WebSocket } from "ws";

import { ChangingApp } from "../supervisor/changing-app.ts";
import { until } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { readRecord } from "../support/json.ts";
import { askOnce, fieldOf, RawClient, type RawResponse } from "../support/raw-client.ts";
import { APPS, makeScratch, requirePython, type Scope } from "../support/scratch.ts";
import { runTyphon, startTyphon, type Run, type Typhon } from "../support/typhon.ts";

function requestOf(host: string, path: string, fields = ""): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n`;
}

/** `GET path` of a host. */
async function get(typhon: Typhon, host: string, path: string, fields = ""): Promise<RawResponse> {
  return await askOnce(typhon, requestOf(host, path, fields));
}

/** A folder with a typhon.toml that begins with what every test wants. */
class SiteFolder {
  readonly path: string;

  constructor(scope: Scope) {
    this.path = makeScratch(scope);
  }

  put(name: string, text: string): void {
    const path = join(this.path, name);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, text);
  }

  configure(text: string): void {
    const python = JSON.stringify(requirePython());
    this.put(
      "typhon.toml",
      `bind = "127.0.0.1:0"\npid = "typhon.pid"\npython = ${python}\nworkers = 1\n${text}`,
    );
  }

  async start(scope: Scope): Promise<Typhon> {
    return await startTyphon(scope, [], { cwd: this.path, defaults: false });
  }

  async run(...words: string[]): Promise<Run> {
    return await runTyphon(words, { cwd: this.path });
  }

  async reloads(): Promise<void> {
    const { code, stdout, stderr } = await this.run("reload");
    assert.equal(code, 0, stdout + stderr);
  }
}

describe("Django, Flask and FastAPI", () => {
  const folder = new SiteFolder(FILE);
  let typhon: Typhon;

  before(async () => {
    const project = join(APPS, "shelf");
    execFileSync(requirePython(), [join(project, "manage.py"), "collectstatic", "--noinput"], {
      env: { ...process.env, SHELF_FOLDER: folder.path },
      stdio: ["ignore", "ignore", "inherit"],
    });
    folder.put(
      "pages/pages.py",
      `from flask import Flask, request, url_for
app = Flask(__name__)
@app.get("/")
def home():
    return {"host": request.host, "link": url_for("item", number=7), "root": request.script_root}
@app.get("/items/<int:number>")
def item(number):
    return {"item": number}
`,
    );
    folder.put(
      "api/api.py",
      `from fastapi import FastAPI, Request, WebSocket
app = FastAPI()
@app.get("/items/{number}", name="item")
def item(number: int, request: Request):
    return {"item": number, "link": str(request.url_for("item", number=8))}
@app.websocket("/echo")
async def echo(socket: WebSocket):
    await socket.accept()
    await socket.send_text(await socket.receive_text())
`,
    );
    folder.put("errors/404.html", "<h1>Nothing here</h1>\n");
    folder.configure(`
[apps.shop]
app = "shelf.wsgi"
dir = ${JSON.stringify(project)}
env = { SHELF_FOLDER = ${JSON.stringify(folder.path)} }

[apps.pages]
app = "pages:app"
dir = "pages"

[apps.api]
app = "api:app"
dir = "api"

[[routes]]
host = "shop.example"
app = "shop"

[[routes]]
host = "shop.example"
path = "/static"
static = "static"
cache-control = "public, max-age=3600"
error-pages = "errors"

[[routes]]
host = "www.example"
app = "pages"

[[routes]]
host = "www.example"
path = "/api/v1"
app = "api"
headers = { X-Served-By = "typhon" }
`);
    typhon = await folder.start(FILE);
  });

  test("Django's pages name their collected files, and the front sends them", async () => {
    const page = await get(typhon, "shop.example", "/admin/login/");
    assert.equal(page.status, 200);
    const links = [...page.text.matchAll(/(?:href|src)="(\/static\/[^"]+)"/g)].map(
      ([, link = ""]) => link,
    );
    assert(links.some((link) => link.endsWith(".css")));
    assert(links.some((link) => link.endsWith(".js")));
    for (const link of links) {
      const file = await get(typhon, "shop.example", link);
      assert.equal(file.status, 200, link);
      assert.match(fieldOf(file, "content-type"), /^text\/(?:css|javascript); charset=utf-8$/);
      assert.equal(fieldOf(file, "cache-control"), "public, max-age=3600");
      const same = `If-None-Match: ${fieldOf(file, "etag")}\r\n`;
      assert.equal((await get(typhon, "shop.example", link, same)).status, 304);
      const coded = await get(typhon, "shop.example", link, "Accept-Encoding: br\r\n");
      if (file.body.length < 1024) continue;
      assert.equal(fieldOf(coded, "content-encoding"), "br");
      assert.equal(brotliDecompressSync(coded.body).toString("latin1"), file.text);
    }
  });

  test("a missing file gets the route's page, a missing page of Django Django's", async () => {
    const file = await get(typhon, "shop.example", "/static/admin/css/missing.css");
    assert.deepEqual([file.status, file.text], [404, "<h1>Nothing here</h1>\n"]);
    const page = await get(typhon, "shop.example", "/missing/");
    assert.equal(page.status, 404);
    assert.doesNotMatch(page.text, /Nothing here/);
  });

  test("links of Flask on a host and of FastAPI below a prefix lead back to them", async () => {
    const home = readRecord((await get(typhon, "www.example", "/")).text);
    assert.deepEqual(home, { host: "www.example", link: "/items/7", root: "" });
    assert.equal((await get(typhon, "www.example", home["link"])).text.trim(), '{"item":7}');
    const item = await get(typhon, "www.example", "/api/v1/items/1");
    assert.equal(fieldOf(item, "x-served-by"), "typhon");
    const { link } = readRecord(item.text);
    assert.equal(link, "http://www.example/api/v1/items/8");
    const { pathname } = new URL(link);
    assert.equal(readRecord((await get(typhon, "www.example", pathname)).text)["item"], 8);
    const schema = readRecord((await get(typhon, "www.example", "/api/v1/openapi.json")).text);
    assert.deepEqual(schema["servers"], [{ url: "/api/v1" }]);
  });

  test("a WebSocket below a prefix", async () => {
    const url = `ws://127.0.0.1:${typhon.port}/api/v1/echo`;
    const socket = new WebSocket(url, { headers: { host: "www.example" } });
    const heard = await new Promise<string>((resolve, reject) => {
      socket.on("error", reject);
      socket.on("open", () => socket.send("héllo"));
      socket.on("message", (message: Buffer) => resolve(message.toString()));
    });
    assert.equal(heard, "héllo");
    socket.terminate();
  });

  test("a prefix ends at a segment; an unknown host gets 421", async () => {
    const beside = await get(typhon, "www.example", "/api/v10/items/1");
    assert.equal(beside.status, 404);
    assert.equal(beside.fields.get("x-served-by"), undefined);
    assert.equal((await get(typhon, "other.example", "/")).status, 421);
  });

  test("typhon check tells what is served", async () => {
    const { code, stdout } = await folder.run("check");
    assert.equal(code, 0, stdout);
    for (const word of ["shop.example", "/static", "www.example", "/api/v1", "shelf.wsgi"])
      assert(stdout.includes(word), `${word} is not in\n${stdout}`);
  });
});

/** Clients that ask the same without pause, and expect the same 200. */
class SteadyLoad {
  readonly faults: string[] = [];
  answered = 0;
  #isStopped = false;
  readonly #running: Promise<void>[];

  constructor(typhon: Typhon, clients: number, host: string, expected: RegExp) {
    this.#running = Array.from({ length: clients }, () => this.#ask(typhon, host, expected));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#running);
    assert.deepEqual(this.faults, []);
  }

  async #ask(typhon: Typhon, host: string, expected: RegExp): Promise<void> {
    const client = await RawClient.connect(typhon);
    while (!this.#isStopped && this.faults.length === 0) {
      const { status, text } = await client.ask(requestOf(host, "/"));
      if (status !== 200 || !expected.test(text)) this.faults.push(`${host}: ${status} ${text}`);
      this.answered += 1;
    }
    client.destroy();
  }
}

test("the file is changed and reloaded under load: applications and routes come, change and go", async (t) => {
  const folder = new SiteFolder(t);
  const [kept, changed, news] = [new ChangingApp(t), new ChangingApp(t), new ChangingApp(t)];
  kept.answer("kept");
  changed.answer("one");
  news.answer("news");
  const appOf = (name: string, { folder: dir }: ChangingApp, more = ""): string =>
    `[apps.${name}]\napp = "changing:app"\ndir = ${JSON.stringify(dir)}\n${more}\n` +
    `[[routes]]\nhost = "${name}.example"\napp = "${name}"\n`;
  const first = appOf("kept", kept) + appOf("changed", changed);
  folder.configure(first);
  const typhon = await folder.start(t);
  const loads = [
    new SteadyLoad(typhon, 2, "kept.example", /^kept$/),
    new SteadyLoad(typhon, 2, "changed.example", /^(?:one|two)$/),
  ];
  const textOf = async (host: string): Promise<string> => {
    const { status, text } = await get(typhon, host, "/");
    return status === 200 ? text : String(status);
  };

  // An application and its route come.
  assert.equal(await textOf("news.example"), "421");
  folder.configure(first + appOf("news", news));
  await folder.reloads();
  assert.equal(await textOf("news.example"), "news");

  // A mistake in the file, and an application that does not load, change nothing.
  const workers = typhon.workers().length;
  const mistaken = `${first}[[routes]]\nhost = "kept.example"\npath = "/x"\nap = "kept"\n`;
  folder.configure(mistaken);
  const refused = await folder.run("reload");
  assert.equal(refused.code, 2);
  assert.match(refused.stdout + refused.stderr, /typhon\.toml:\d+: .*\bap\b.*\bapp\b/);
  const checked = await folder.run("check");
  assert.equal(checked.code, 2);
  assert.match(checked.stderr, /typhon\.toml:\d+: .*\bap\b.*\bapp\b/);
  folder.configure(first + appOf("broken", new ChangingApp(t), 'env = { X = "1" }'));
  assert.equal((await folder.run("reload")).code, 3);
  assert.equal(await textOf("news.example"), "news");
  assert.equal(await textOf("broken.example"), "421");
  await until("nothing of the broken one is left", () => typhon.workers().length === workers);

  // One changes, a route changes, one goes while it runs a request.
  const client = await RawClient.connect(typhon);
  const held = client.ask(requestOf("news.example", "/hold"));
  await until("the request runs", () => news.waitsFor("hold"));
  changed.answer("two");
  folder.configure(
    `${first}[[routes]]\nhost = "changed.example"\npath = "/old"\nrespond = 410\n` +
      `[[routes]]\nhost = "news.example"\nredirect = "http://kept.example{path}"\n`,
  );
  const going = folder.reloads();
  await until("the route leads elsewhere", async () => (await textOf("news.example")) === "302");
  news.go("hold");
  assert.equal((await held).text, "news");
  client.destroy();
  await going;
  assert.equal(await textOf("changed.example"), "two");
  assert.equal((await get(typhon, "changed.example", "/old")).status, 410);
  await until("the removed application has ended", () => typhon.workers().length === 2);

  for (const load of loads) {
    const { answered } = load;
    await until("the load goes on", () => load.answered > answered || load.faults.length > 0);
    await load.stop();
  }
});
