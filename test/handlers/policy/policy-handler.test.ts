// What a route asks and changes, over real connections to a server without applications: fixed responses behind
// address rules, passwords, fields, error pages.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import type {
  Configuration,
  RouteConfiguration,
  RoutePolicy,
} from "../../../src/config/configuration.ts";
import { load } from "../../../src/config/load.ts";
import { hashPassword } from "../../../src/handlers/policy/password-hash.ts";
import { AccessLog } from "../../../src/observe/access-log.ts";
import { Log } from "../../../src/observe/log.ts";
import { Sink } from "../../../src/observe/sink.ts";
import { Server } from "../../../src/server.ts";
import { until } from "../../support/deadline.ts";
import { FILE } from "../../support/file-scope.ts";
import { makeScratch } from "../../support/scratch.ts";

const folder = makeScratch(FILE);
const passwords = join(folder, "passwords");
const pages = join(folder, "pages");
const sink = new Sink(join(folder, "server.log"));
const accessLog = new AccessLog(new Sink(join(folder, "access.log")), "json");
/** Of "correct horse". */
const BCRYPT = "$2b$05$797pESEthqyuPhPSBGdBcOklAYYgQ110W0fC1lLyWKLVa6zsgv.mG";

const PLAIN: RoutePolicy = {
  allow: [],
  deny: [],
  basicAuth: null,
  setHeaders: [],
  removeHeaders: [],
  cacheControl: "",
  errorPages: null,
  compress: "off",
};

function page(path: string, policy: Partial<RoutePolicy>, status = 200): RouteConfiguration {
  const target = { kind: "respond", status, contentType: "text/plain", body: path } as const;
  return { host: "", path, target, policy: { ...PLAIN, ...policy } };
}

function configure(): Configuration {
  const words = ["a:a", "--bind", "127.0.0.1:0", "--forwarded-allow-ips", "127.0.0.1"];
  const usual = load(words, process.env, folder);
  const routes = [
    page("/free", {}),
    page("/denied", { deny: ["192.0.2.0/24"] }),
    page("/internal", { allow: ["10.0.0.0/8", "127.0.0.1"] }),
    page("/secret", { basicAuth: passwords, errorPages: pages }),
    page("/both", { basicAuth: passwords, deny: ["192.0.2.7"] }),
    page("/fields", {
      setHeaders: [
        ["X-Frame-Options", "DENY"],
        ["Content-Type", "text/x-own"],
      ],
      removeHeaders: ["server", "Date", "x-request-id"],
      cacheControl: "max-age=60",
    }),
    page("/fields/missing", { cacheControl: "max-age=60" }, 404),
    { ...page("/closed", { errorPages: pages, deny: ["*"] }) },
  ];
  return { ...usual, applications: [], routes };
}

interface Answer {
  readonly status: number;
  readonly fields: NodeJS.Dict<string | string[]>;
  readonly text: string;
}

let server: Server;
let port = 0;

function ask(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, path, method, headers }, (response) => {
      let text = "";
      response.setEncoding("latin1").on("data", (part: string) => (text += part));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, fields: response.headers, text }),
      );
    });
    sent.on("upgrade", () => reject(new Error("the connection was upgraded")));
    sent.on("error", reject).end();
  });
}

function basic(user: string, password: string): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` };
}

before(async () => {
  mkdirSync(pages);
  writeFileSync(join(pages, "401.html"), "<p>please log in</p>");
  writeFileSync(join(pages, "40x.html"), "<p>some error</p>");
  writeFileSync(
    passwords,
    `# users\nanna:${await hashPassword("p\u{e4}ss:word")}\n\nold:${BCRYPT}\n`,
  );
  server = new Server(configure(), new Log(sink, { level: "debug", format: "json" }), accessLog);
  const started = await server.start();
  port = Number(new URL(started.addresses[0] ?? "").port);
});

after(async () => {
  await server.stop(0);
  await sink.flush();
});

describe("addresses", () => {
  const from = (address: string): Record<string, string> => ({ "x-forwarded-for": address });

  test("a denied address gets 403, the others the page", async () => {
    assert.equal((await ask("/denied", from("192.0.2.7"))).status, 403);
    assert.equal((await ask("/denied", from("::ffff:192.0.2.7"))).status, 403);
    assert.equal((await ask("/denied", from("192.0.3.7"))).status, 200);
  });

  test("where addresses are allowed, all others get 403", async () => {
    assert.equal((await ask("/internal")).status, 200);
    assert.equal((await ask("/internal", from("10.1.2.3"))).status, 200);
    assert.equal((await ask("/internal", from("11.1.2.3"))).status, 403);
    assert.equal((await ask("/internal", from("2001:db8::1"))).status, 403);
  });

  for (const path of [
    "//denied",
    "/%64enied",
    "/free/../denied",
    "/free%2f..%2fdenied",
    "/denied/x",
  ])
    test(`no spelling passes by the rule: ${path}`, async () => {
      assert.equal((await ask(path, from("192.0.2.7"))).status, 403);
    });
});

describe("passwords", () => {
  test("without a password a client is asked for one, in any method and for a WebSocket", async () => {
    const { status, fields, text } = await ask("/secret");
    assert.equal(status, 401);
    assert.equal(fields["www-authenticate"], 'Basic realm="Restricted", charset="UTF-8"');
    assert.equal(text, "<p>please log in</p>");
    assert.equal((await ask("/secret", {}, "OPTIONS")).status, 401);
    assert.equal((await ask("/secret", {}, "HEAD")).text, "");
    const handshake = {
      connection: "Upgrade",
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    };
    assert.equal((await ask("/secret", handshake)).status, 401);
  });

  test("a right password is taken, again and again", async () => {
    for (let i = 0; i < 3; i += 1)
      assert.equal((await ask("/secret", basic("anna", "p\u{e4}ss:word"))).status, 200);
  });

  test("the access log has the user whose password was right, and no name that is only claimed", async () => {
    await ask("/secret?right", basic("old", "correct horse"));
    await ask("/secret?wrong", basic("old", "correct"));
    await ask("/free?claimed", basic("old", "correct horse"));
    const lines = await until("three lines", async () => {
      await accessLog.flush();
      const all = readFileSync(join(folder, "access.log"), "utf8").split("\n");
      const found = all.filter((line) => /\?(?:right|wrong|claimed)"/.test(line));
      return found.length === 3 && found;
    });
    assert.deepEqual(
      lines.map((line) => [/\?(\w+)"/.exec(line)?.[1], /"user":"(\w+)"/.exec(line)?.[1]]),
      [
        ["right", "old"],
        ["wrong", undefined],
        ["claimed", undefined],
      ],
    );
  });

  test("bcrypt hashes of htpasswd are taken", async () => {
    assert.equal((await ask("/secret", basic("old", "correct horse"))).status, 200);
    assert.equal((await ask("/secret", basic("old", "correct hors"))).status, 401);
    assert.equal((await ask("/secret", basic("old", "x".repeat(73)))).status, 401);
  });

  test("a wrong password, an unknown user and credentials that are none are refused", async () => {
    assert.equal((await ask("/secret", basic("anna", "wrong"))).status, 401);
    assert.equal((await ask("/secret", basic("nobody", ""))).status, 401);
    for (const authorization of ["Basic", "Basic !", "Basic YW5uYQ==", "Bearer x", "basic  "])
      assert.equal((await ask("/secret", { authorization })).status, 401);
  });

  test("a flood of wrong passwords gets 503, and those who are known get their pages", async () => {
    await ask("/secret", basic("anna", "p\u{e4}ss:word"));
    const flood = Array.from({ length: 40 }, (_, i) => ask("/secret", basic("anna", `no ${i}`)));
    const known = await ask("/secret", basic("anna", "p\u{e4}ss:word"));
    assert.equal(known.status, 200);
    const statuses = (await Promise.all(flood)).map(({ status }) => status);
    assert(statuses.includes(503) && statuses.every((status) => status === 401 || status === 503));
  });

  test("a page of many parts, and all of them after a reload, get through with one password", async () => {
    const eve = `eve:${await hashPassword("many")}\n`;
    const earlier = readFileSync(passwords, "utf8");
    writeFileSync(passwords, `${earlier}${eve}`);
    await until("eve is known", async () => {
      const { status } = await ask("/secret", basic("eve", "wrong"));
      const parts = Array.from({ length: 40 }, () => ask("/secret", basic("eve", "many")));
      const statuses = (await Promise.all(parts)).map((answer) => answer.status);
      assert.deepEqual([...new Set(statuses)], statuses[0] === 200 ? [200] : [401]);
      return status === 401 && statuses[0] === 200;
    });
    assert.equal(await server.reload(configure()), null);
    // Passwords that are not remembered have no place among so many others.
    const flood = Array.from({ length: 40 }, (_, i) => ask("/secret", basic("eve", `not ${i}`)));
    assert.equal((await ask("/secret", basic("eve", "many"))).status, 200);
    await Promise.all(flood);
    writeFileSync(passwords, earlier);
  });

  test("a denied address is not asked for a password", async () => {
    assert.equal((await ask("/both", { "x-forwarded-for": "192.0.2.7" })).status, 403);
    assert.equal((await ask("/both")).status, 401);
  });

  test("a changed file holds within a second; one with a mistake changes nothing", async () => {
    const eve = `eve:${await hashPassword("eve")}\n`;
    writeFileSync(passwords, eve);
    await until(
      "eve is known",
      async () => (await ask("/both", basic("eve", "eve"))).status === 200,
    );
    assert.equal((await ask("/both", basic("old", "correct horse"))).status, 401);
    writeFileSync(passwords, "eve:plain text\n");
    await until("the mistake is told", async () => {
      assert.equal((await ask("/both", basic("eve", "eve"))).status, 200);
      await sink.flush();
      return logText().includes("passwords:1: must be user:hash");
    });
  });
});

describe("fields", () => {
  test("fields are set, replaced and removed; a successful response gets its Cache-Control", async () => {
    const { fields } = await ask("/fields");
    assert.equal(fields["x-frame-options"], "DENY");
    assert.equal(fields["content-type"], "text/x-own");
    assert.equal(fields["cache-control"], "max-age=60");
    for (const name of ["server", "date", "x-request-id"]) assert(!(name in fields), name);
    assert(!("x-frame-options" in (await ask("/free")).fields));
  });

  test("a field that another route removes stays", async () => {
    const { fields } = await ask("/free");
    assert.equal(fields["server"], "typhon");
    for (const name of ["date", "x-request-id"]) assert(name in fields, name);
  });

  test("an error is not cached", async () => {
    const { status, fields } = await ask("/fields/missing");
    assert.equal(status, 404);
    assert(!("cache-control" in fields));
  });
});

describe("error pages", () => {
  test("the page of a pattern stands for the server's own text, with the status and fields of the error", async () => {
    const { status, fields, text } = await ask("/closed");
    assert.equal(status, 403);
    assert.equal(fields["content-type"], "text/html; charset=utf-8");
    assert.equal(text, "<p>some error</p>");
  });

  test("a status without a page keeps the text", async () => {
    assert.match((await ask("/unknown")).text, /NOT_FOUND/);
  });
});

describe("a configuration with a mistake", () => {
  for (const [what, policy, message] of [
    ["no password file", { basicAuth: join(folder, "none") }, /none: cannot be read \(ENOENT\)/],
    ["a folder as password file", { basicAuth: folder }, /is no file/],
    [
      "a FIFO among error pages",
      { errorPages: strange("404.html", "mkfifo") },
      /404\.html: is no file/,
    ],
    [
      "a folder among error pages",
      { errorPages: strange("50x.html", "mkdir") },
      /50x\.html: is no file/,
    ],
    ["no folder of error pages", { errorPages: join(folder, "none") }, /ENOENT/],
    ["a field that frames", { setHeaders: [["Transfer-Encoding", "x"]] }, /transfer-encoding/],
    ["a value with a line end", { setHeaders: [["X-A", "a\r\nb: c"]] }, /control characters/],
  ] as const)
    test(`${what} changes nothing`, async () => {
      const wrong = { ...configure(), routes: [page("", policy)] };
      assert.match(String(await server.reload(wrong)), message);
      assert.equal((await ask("/free")).status, 200);
    });
});

/** A folder in which a command has made something of that name. */
function strange(name: string, command: string): string {
  const path = join(folder, `with-${command}`);
  mkdirSync(path);
  execFileSync(command, [join(path, name)]);
  return path;
}

function logText(): string {
  return readFileSync(join(folder, "server.log"), "utf8");
}
