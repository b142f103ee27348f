// Two applications behind one server, with routes, built in code: own interpreters, own pools. What
// happens to one of them leaves the other alone, and the log names the application.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import type {
  ApplicationConfiguration,
  Configuration,
  RouteConfiguration,
} from "../src/config/configuration.ts";
import { load } from "../src/config/load.ts";
import { AccessLog } from "../src/observe/access-log.ts";
import { Log } from "../src/observe/log.ts";
import { Sink } from "../src/observe/sink.ts";
import { Server } from "../src/server.ts";
import { until } from "./support/deadline.ts";
import { FILE } from "./support/file-scope.ts";
import { freePorts } from "./support/free-ports.ts";
import { makeScratch, requirePython } from "./support/scratch.ts";

const folder = makeScratch(FILE);
const logFile = join(folder, "server.log");
const accessFile = join(folder, "access.log");
const sinks = [new Sink(logFile), new Sink(accessFile)] as const;
const systemPython = spawnSync("python3", ["-c", "import sys; print(sys.executable)"], {
  encoding: "utf8",
}).stdout.trim();

/** A WSGI application that tells its version, interpreter and process; /wait lasts until a file is there. */
function wsgiCode(version: string): string {
  return `import json, os, sys, time

os.chdir(os.path.dirname(os.path.abspath(__file__)))
VERSION = ${JSON.stringify(version)}

def app(environ, start_response):
    if environ["PATH_INFO"] == "/wait":
        open("begun", "w").close()
        while not os.path.exists("go-on"):
            time.sleep(0.01)
    if environ["PATH_INFO"] == "/raise":
        raise ValueError("on purpose")
    fields = {"version": VERSION, "python": sys.executable, "pid": os.getpid(),
              "script": environ["SCRIPT_NAME"], "path": environ["PATH_INFO"]}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(fields).encode()]
`;
}

const ASGI_CODE = `import json, os, sys

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    fields = {"version": "blog", "python": sys.executable, "pid": os.getpid(),
              "script": scope["root_path"], "path": scope["path"]}
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(fields).encode()})
`;

function writeShop(code: string): void {
  writeFileSync(join(folder, "shop.py"), code);
}

function application(name: string, words: readonly string[]): ApplicationConfiguration {
  const loaded = load([...words, "--workers", "1"], process.env, folder).applications[0];
  assert(loaded !== undefined);
  return { ...loaded, name };
}

function route(host: string, path: string, name: string): RouteConfiguration {
  const [usual] = load(["shop:app"], process.env, folder).routes;
  assert(usual !== undefined);
  return { ...usual, host, path, target: { kind: "application", application: name } };
}

function configure(): Configuration {
  const words = ["shop:app", "--bind", "127.0.0.1:0", "--health", "--log-format", "json"];
  return {
    ...load(words, process.env, folder),
    applications: [
      application("shop", ["shop:app", "--root-path", "/shop", "--python", requirePython()]),
      application("blog", ["blog:app", "--python", systemPython]),
    ],
    routes: [
      route("", "/shop", "shop"),
      route("blog.example", "", "blog"),
      route("*.blog.example", "", "blog"),
    ],
  };
}

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly json: Readonly<Record<string, unknown>>;
}

let server: Server;
let port = 0;

function ask(host: string, path: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, path, headers: { host } }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.on("end", () => {
        const isJson = response.headers["content-type"] === "application/json";
        resolve({ status: response.statusCode ?? 0, text, json: isJson ? JSON.parse(text) : {} });
      });
    });
    sent.on("error", reject).end();
  });
}

async function eventsOf(path: string): Promise<Readonly<Record<string, unknown>>[]> {
  for (const sink of sinks) await sink.flush();
  return readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

before(async () => {
  writeShop(wsgiCode("shop 1"));
  writeFileSync(join(folder, "blog.py"), ASGI_CODE);
  const [sink, accessSink] = sinks;
  const log = new Log(sink, { level: "debug", format: "json" });
  server = new Server(configure(), log, new AccessLog(accessSink, "json"));
  const started = await server.start();
  port = Number(new URL(started.addresses[0] ?? "").port);
});

after(async () => {
  await server.stop(1000);
  for (const sink of sinks) await sink.flush();
});

describe("two applications behind one server", () => {
  test("each responds at its hosts and paths, in an interpreter of its own", async () => {
    const shop = await ask("any.example", "/shop/cart");
    const blog = await ask("blog.example", "/shopping");
    assert.equal(shop.json["version"], "shop 1");
    assert.equal(shop.json["script"], "/shop");
    assert.equal(shop.json["path"], "/cart");
    assert.equal(blog.json["version"], "blog");
    assert.equal(blog.json["path"], "/shopping");
    assert.equal((await ask("www.blog.example:80", "/")).json["version"], "blog");
    assert.notEqual(shop.json["python"], blog.json["python"]);
    assert.notEqual(shop.json["pid"], blog.json["pid"]);
  });

  test("a path without a route is 404", async () => {
    const unknown = await ask("other.example", "/");
    assert.equal(unknown.status, 404);
    assert.match(unknown.text, /NOT_FOUND/);
  });

  test("each tells its status as data", () => {
    const [shop, blog] = server.applications.status();
    assert.partialDeepStrictEqual(shop, {
      name: "shop",
      app: "shop:app",
      isReady: true,
      failure: null,
      pool: { state: "running", interface: "wsgi", queue: { waiting: 0, running: 0, size: 0 } },
    });
    assert.partialDeepStrictEqual(blog, {
      name: "blog",
      isReady: true,
      pool: { interface: "asgi" },
    });
    assert.deepEqual(JSON.parse(JSON.stringify(shop)), shop);
  });

  test("one loads its code anew, and the other keeps its process", async () => {
    const earlier = await ask("blog.example", "/");
    writeShop(wsgiCode("shop 2"));
    assert.equal(await server.applications.all[0]?.reload(), null);
    assert.equal((await ask("", "/shop")).json["version"], "shop 2");
    assert.equal((await ask("blog.example", "/")).json["pid"], earlier.json["pid"]);
  });

  test("new code of one that does not load changes nothing for either", async () => {
    writeShop("raise RuntimeError('broken on purpose')");
    assert.match(String(await server.applications.all[0]?.reload()), /broken on purpose/);
    assert.equal((await ask("", "/shop")).json["version"], "shop 2");
    assert.equal((await ask("blog.example", "/")).status, 200);
    writeShop(wsgiCode("shop 2"));
  });

  test("a log line names the application that it is about", async () => {
    assert.equal((await ask("", "/shop/raise")).status, 500);
    const events = await eventsOf(logFile);
    const fault = events.find(({ event }) => event === "application.fault");
    assert.equal(fault?.["application"], "shop");
    const ready = events.filter(({ event }) => event === "worker.ready");
    assert.deepEqual(
      new Set(ready.map((event) => event["application"])),
      new Set(["shop", "blog"]),
    );
    const lines = await eventsOf(accessFile);
    const blog = lines.find(({ target }) => target === "/shopping");
    assert.equal(blog?.["application"], "blog");
    const none = lines.find(({ status }) => status === 404);
    assert(none !== undefined && !("application" in none));
  });

  test("a new configuration adds and replaces applications and routes; an unchanged one keeps its pool", async () => {
    const started = configure();
    const [shop, blog] = started.applications;
    assert(shop !== undefined && blog !== undefined);
    const changed = {
      ...started,
      applications: [shop, { ...blog, rootPath: "/b" }, { ...blog, name: "news" }],
      routes: [...started.routes, route("", "/news", "news"), route("", "/b", "blog")],
    };
    const [kept] = server.applications.all;
    const earlier = await ask("blog.example", "/");
    assert.equal(await server.reload(changed), null);
    assert.equal(server.applications.all[0], kept);
    const later = await ask("blog.example", "/b/post");
    assert.equal(later.json["script"], "/b");
    assert.notEqual(later.json["pid"], earlier.json["pid"]);
    assert.equal((await ask("", "/news/today")).json["path"], "/news/today");
    assert.equal((await ask("", "/shop")).json["version"], "shop 2");
    assert.equal((await ask("", "/readyz")).status, 200);
  });

  test("a removed application ends the requests that have begun, and gets no new ones", async () => {
    const started = configure();
    const [, blog] = started.applications;
    assert(blog !== undefined);
    rmSync(join(folder, "begun"), { force: true });
    rmSync(join(folder, "go-on"), { force: true });
    const running = ask("", "/shop/wait");
    await until("the request runs", () => exists("begun"));
    const without = { ...started, applications: [blog], routes: [route("", "", "blog")] };
    assert.equal(await server.reload(without), null);
    assert.equal((await ask("", "/shop")).json["version"], "blog");
    writeFileSync(join(folder, "go-on"), "");
    assert.equal((await running).json["version"], "shop 2");
    assert.equal(await server.reload(started), null);
    assert.equal((await ask("", "/shop")).json["version"], "shop 2");
    rmSync(join(folder, "begun"), { force: true });
    rmSync(join(folder, "go-on"), { force: true });
  });

  test("a configuration with an application that does not load, or a wrong route, changes nothing", async () => {
    const started = configure();
    const [shop, blog] = started.applications;
    assert(shop !== undefined && blog !== undefined);
    const missing = { ...blog, name: "missing", app: "nowhere:app" };
    const broken = { ...started, applications: [shop, missing], routes: [route("", "", "shop")] };
    assert.match(String(await server.reload(broken)), /nowhere/);
    assert.equal((await ask("blog.example", "/")).json["version"], "blog");
    const wrong = { ...started, routes: [route("", "", "unknown")] };
    assert.match(String(await server.reload(wrong)), /no application is named "unknown"/);
    assert.equal((await ask("blog.example", "/")).json["version"], "blog");
    assert.equal((await ask("any.example", "/x")).status, 404);
  });

  test("a fault of ours during a reload is told with its place, and nothing changes", async () => {
    const failure = await server.applications.reload(configure().applications, async () => {
      await Promise.resolve();
      throw new TypeError("a fault on purpose");
    });
    assert.match(String(failure), /TypeError: a fault on purpose\n +at .*server\.test\.ts/);
    assert.equal((await ask("blog.example", "/")).json["version"], "blog");
  });

  test("one stops: begun requests end, later ones get 503, and the other serves", async () => {
    const [shop] = server.applications.all;
    assert((await ask("", "/readyz")).status === 200);
    const running = ask("", "/shop/wait");
    running.catch(() => undefined);
    await until("the request runs", () => exists("begun"));
    const stopped = shop?.stop(10_000);
    const late = await ask("", "/shop");
    assert.equal(late.status, 503);
    assert.match(late.text, /STOPPING/);
    assert.equal((await ask("blog.example", "/")).status, 200);
    writeFileSync(join(folder, "go-on"), "");
    assert.equal((await running).status, 200);
    await stopped;
    assert.equal((await ask("blog.example", "/")).status, 200);
    assert.equal((await ask("", "/readyz")).status, 503);
    assert.equal((await ask("", "/readyz/shop")).status, 503);
    assert.equal((await ask("", "/readyz/blog")).status, 200);
    assert.equal((await ask("", "/readyz/nobody")).status, 404);
    assert.equal((await ask("", "/livez")).status, 200);
  });
});

test("a server that is stopped during its start listens nowhere afterwards", async () => {
  const { port: free } = await freePorts(["port"]);
  const words = ["shop:app", "--bind", `127.0.0.1:${free}`];
  const target = { kind: "respond", status: 204, contentType: "", body: "" } as const;
  const one = new Server(
    {
      ...load(words, process.env, folder),
      applications: [],
      routes: [{ ...route("", "", ""), target }],
    },
    new Log(sinks[0], { level: "debug", format: "json" }),
    null,
  );
  const started = one.start();
  await one.stop(0);
  await assert.rejects(started, /the server was stopped during its start/);
  const socket = connect(free, "127.0.0.1");
  const [error] = await once(socket, "error");
  assert.equal(Reflect.get(Object(error), "code"), "ECONNREFUSED");
});

function exists(name: string): boolean {
  try {
    readFileSync(join(folder, name));
    return true;
  } catch {
    return false;
  }
}
