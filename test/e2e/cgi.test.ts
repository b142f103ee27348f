// CGI programs by the real command: what they are given and what becomes of their output, that nothing waits for ever
// whatever a program does with its streams, and that no path runs or shows what is no program.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, it } from "node:test";

import { TestAuthority } from "../support/certificates.ts";
import { until } from "../support/deadline.ts";
import { FILE } from "../support/file-scope.ts";
import { isRunning } from "../support/processes.ts";
import { fieldOf, getOnce, RawClient, askOnce } from "../support/raw-client.ts";
import { makeScratch, requirePython } from "../support/scratch.ts";
import { Http2Client } from "../support/secure-client.ts";
import { startTyphon, type Typhon } from "../support/typhon.ts";

const TYPE = "echo Content-Type: text/plain\necho\n";
const SECRET = "SECRET of the source";

let folder = "";
let typhon: Typhon;
/** The same programs with a short deadline. */
let hasty: Typhon;

/** A program in sh, which has the working folder of all programs. */
function shell(name: string, code: string, mode = 0o755): void {
  writeFileSync(join(folder, "cgi", name), `#!/bin/sh\n# ${SECRET}\n${code}`, { mode });
}

function python(name: string, code: string, mode = 0o755): void {
  const text = `#!${requirePython()}\n# ${SECRET}\n${code}`;
  writeFileSync(join(folder, "cgi", name), text, { mode });
}

before(async () => {
  folder = makeScratch(FILE);
  mkdirSync(join(folder, "cgi/x.cgi.d"), { recursive: true });
  mkdirSync(join(folder, "cgi/sub"));
  mkdirSync(join(folder, "outside"));
  python(
    "tell",
    `import json, os, sys
body = sys.stdin.buffer.read()
print("Content-Type: application/json\\n")
print(json.dumps([dict(os.environ), sys.argv[1:], os.getcwd(), len(body), os.getpgid(0) == os.getpid()]))
`,
  );
  shell("hello", `${TYPE}printf 'hello %s' "$PATH_INFO"\n`);
  shell("sub/hello", `${TYPE}pwd\n`);
  shell("loud", `head -c 1000000 /dev/zero | tr '\\0' 'e' >&2\n${TYPE}echo done\n`);
  shell("closes", `${TYPE}echo closed\nexec >&- 2>&-\nread line < fifo\necho $line > told\n`);
  shell("leaves", `${TYPE}echo left\nsleep 600 &\necho $! > leaving\n`);
  shell("sleeps", "echo $$ > sleeping\nexec sleep 600\n");
  shell("stops", `${TYPE}echo $$ > stopping\necho some\nexec sleep 600\n`);
  shell("bad", "echo '<html>'\necho\necho bad words >&2\n");
  shell("empty", "echo nothing said >&2\nexit 3\n");
  shell("fails", `${TYPE}echo all\nexit 4\n`);
  shell("short", `echo Content-Length: 100\n${TYPE}echo few\n`);
  shell("elsewhere", "echo Location: /cgi/hello/there\necho\n");
  shell("loops", "echo Location: /cgi/loops\necho\n");
  shell("guarded", "echo Location: /guarded\necho\n");
  shell("away", "echo Location: https://example.com/\necho\n");
  shell("large", `${TYPE}head -c 20000000 /dev/zero\necho $$ > large-done\n`);
  shell("x.cgi.d/avatar.jpg", "", 0o644);
  shell("text.txt", "", 0o644);
  python("module.py", "", 0o644);
  shell(".hidden", `${TYPE}echo hidden\n`);
  shell("../outside/program", `${TYPE}echo outside\n`);
  symlinkSync("../outside/program", join(folder, "cgi/out"));
  symlinkSync("../outside", join(folder, "cgi/out-folder"));
  execFileSync("mkfifo", [join(folder, "cgi/fifo")]);
  const words = [
    "--cgi",
    `/cgi=${join(folder, "cgi")}`,
    "--cgi-env",
    "A=b",
    "--cgi-concurrency",
    "4",
  ];
  const others = ["--bind", "127.0.0.1:0", "--access-log", "-"];
  const options = { defaults: false, cwd: folder, env: { LEAKED: "yes", HTTP_PROXY: "no" } };
  typhon = await startTyphon(FILE, [...words, ...others], options);
  writeFileSync(
    join(folder, "site.toml"),
    `[[routes]]
path = "/cgi"
cgi = "cgi"
timeout = 1
[[routes]]
path = "/guarded"
respond = "guarded"
deny = "*"
`,
  );
  hasty = await startTyphon(FILE, ["--config", "site.toml", ...others], options);
});

function written(name: string): string {
  const path = join(folder, "cgi", name);
  return existsSync(path) ? readFileSync(path, "utf8").trim() : "";
}

type Told = [
  environment: Record<string, string>,
  args: string[],
  cwd: string,
  bodyBytes: number,
  hasOwnGroup: boolean,
];

describe("a program", () => {
  it("gets its request, and of the server nothing", async () => {
    const request = "POST /cgi/tell/a%20b?c+d HTTP/1.1\r\nHost: a\r\nProxy: evil\r\nX-A: 1\r\n";
    const { text } = await askOnce(
      typhon,
      `${request}Authorization: Basic YTpi\r\nContent-Length: 3\r\n\r\nabc`,
    );
    const [environment, args, cwd, bodyBytes, hasOwnGroup]: Told = JSON.parse(text);
    assert.deepEqual([args, cwd, bodyBytes, hasOwnGroup], [[], join(folder, "cgi"), 3, true]);
    const { PATH_INFO, QUERY_STRING, CONTENT_LENGTH, HTTP_X_A, A, SCRIPT_FILENAME } = environment;
    assert.deepEqual(
      { PATH_INFO, QUERY_STRING, CONTENT_LENGTH, HTTP_X_A, A, SCRIPT_FILENAME },
      {
        PATH_INFO: "/a b",
        QUERY_STRING: "c+d",
        CONTENT_LENGTH: "3",
        HTTP_X_A: "1",
        A: "b",
        SCRIPT_FILENAME: join(folder, "cgi/tell"),
      },
    );
    for (const name of ["LEAKED", "HTTP_PROXY", "HTTP_AUTHORIZATION", "HOME"])
      assert.equal(environment[name], undefined, name);
    const [, words]: Told = JSON.parse((await getOnce(typhon, "/cgi/tell?c+d")).text);
    assert.deepEqual(words, ["c", "d"]);
  });

  it("reads a body that came in chunks, in memory or in a file", async () => {
    for (const bytes of [10, 1_000_000]) {
      const client = await RawClient.connect(typhon);
      client.write("POST /cgi/tell HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
      client.write(`${bytes.toString(16)}\r\n${"a".repeat(bytes)}\r\n0\r\n\r\n`);
      const [environment, , , bodyBytes]: Told = JSON.parse((await client.readResponse()).text);
      assert.deepEqual([environment["CONTENT_LENGTH"], bodyBytes], [String(bytes), bytes]);
      client.destroy();
    }
  });

  it("runs in its own folder, and gets the rest of the path", async () => {
    assert.equal((await getOnce(typhon, "/cgi/hello/x.cgi/.y")).text, "hello /x.cgi/.y");
    assert.equal((await getOnce(typhon, "/cgi/sub/hello")).text, `${join(folder, "cgi/sub")}\n`);
  });

  it("responds to HEAD without a body, on a connection that stays", async () => {
    const client = await RawClient.connect(typhon);
    const head = await client.ask("HEAD /cgi/hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert.deepEqual([head.status, head.text], [200, ""]);
    assert.equal((await client.get("/cgi/hello")).text, "hello ");
    client.destroy();
  });

  it("is in the access log with its process", async () => {
    const { fields } = await getOnce(typhon, "/cgi/hello");
    const id = fields.get("x-request-id")?.[0] ?? "";
    await typhon.output.waitFor(new RegExp(`id=${id} .* worker=\\d+ application=cgi`));
  });
});

describe("over HTTP/2 and TLS", () => {
  it("a program learns of both, and of the client's certificate", async () => {
    const authority = new TestAuthority("Staff");
    const host = authority.issue({ names: ["a.example"] });
    const client = authority.issue({ subject: "Zoe", names: ["zoe.example"], usage: "clientAuth" });
    for (const [name, text] of [
      ["cert.pem", host.cert],
      ["key.pem", host.key],
      ["ca.pem", authority.cert],
    ] as const)
      writeFileSync(join(folder, name), text, { mode: 0o600 });
    const files = ["--certfile", "cert.pem", "--keyfile", "key.pem", "--ca-certs", "ca.pem"];
    const words = ["--bind", "https://127.0.0.1:0", "--cgi", "/cgi=cgi", "--cert-reqs", "optional"];
    const secure = await startTyphon(FILE, [...words, ...files], { defaults: false, cwd: folder });
    const address = { port: secure.port, host: "a.example", ca: authority.cert, client };
    const http2 = await Http2Client.connect(address);
    const { text } = await http2.ask("/cgi/tell", { ":method": "POST" }, "body");
    const [environment, , , bodyBytes]: Told = JSON.parse(text);
    const { HTTPS, SERVER_PROTOCOL, SSL_CLIENT_VERIFY, SSL_CLIENT_S_DN, HTTP_HOST } = environment;
    assert.deepEqual(
      [HTTPS, SERVER_PROTOCOL, SSL_CLIENT_VERIFY, SSL_CLIENT_S_DN, HTTP_HOST, bodyBytes],
      ["on", "HTTP/2.0", "SUCCESS", "CN=Zoe", "a.example", 4],
    );
    const all = await Promise.all(
      Array.from({ length: 20 }, async (_, at) => await http2.ask(`/cgi/hello/${at}`)),
    );
    assert.deepEqual(
      all.map((one) => one.text),
      Array.from({ length: 20 }, (_, at) => `hello /${at}`),
    );
    http2.destroy();
  });
});

describe("redirects", () => {
  it("to a path of this server are followed here", async () => {
    const request = "POST /cgi/elsewhere HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    const { status, text } = await askOnce(typhon, request);
    assert.deepEqual([status, text], [200, "hello /there"]);
  });

  it("to a path of this server pass its guards", async () => {
    const { status, text } = await getOnce(hasty, "/cgi/guarded");
    assert.equal(status, 403);
    assert.match(text, /ADDRESS_DENIED/);
  });

  it("in a circle end", async () => {
    assert.equal((await getOnce(typhon, "/cgi/loops")).status, 500);
    await typhon.output.waitFor(/too many local redirects/);
  });

  it("to others are the client's", async () => {
    const response = await getOnce(typhon, "/cgi/away");
    assert.deepEqual(
      [response.status, fieldOf(response, "location")],
      [302, "https://example.com/"],
    );
  });
});

describe("nothing waits for ever for a program that", () => {
  it("does not read 10 MB", async () => {
    const client = await RawClient.connect(typhon);
    client.write("POST /cgi/hello HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n");
    await client.send(Buffer.alloc(10_000_000));
    assert.equal((await client.readResponse("POST")).text, "hello ");
    client.destroy();
  });

  it("writes 1 MB of errors first", async () => {
    assert.equal((await getOnce(typhon, "/cgi/loud")).text, "done\n");
  });

  it("closes its output early", async () => {
    assert.equal((await getOnce(typhon, "/cgi/closes")).text, "closed\n");
    const fifo = await open(join(folder, "cgi/fifo"), "w");
    await fifo.write("went on\n");
    await fifo.close();
    await until("the program goes on to its end", () => written("told") === "went on");
  });

  it("leaves a process with its output", async () => {
    assert.equal((await getOnce(typhon, "/cgi/leaves")).text, "left\n");
    await until("that process is gone", () => !isRunning(Number(written("leaving"))));
  });

  it("does not respond: 504", async () => {
    assert.equal((await getOnce(hasty, "/cgi/sleeps")).status, 504);
    await until("it is gone", () => !isRunning(Number(written("sleeping"))));
    await hasty.output.waitFor(/not responded within 1 s \(--timeout\)/);
  });

  it("stops in the middle: a cut", async () => {
    const client = await RawClient.connect(hasty);
    client.write("GET /cgi/stops HTTP/1.1\r\nHost: a\r\n\r\n");
    assert.equal((await client.readHead()).status, 200);
    assert.doesNotMatch((await client.readUntilCut()).toString(), /0\r\n\r\n$/);
    await until("it is gone", () => !isRunning(Number(written("stopping"))));
  });

  it("has lost its client", async () => {
    const client = await RawClient.connect(typhon);
    client.write("GET /cgi/stops HTTP/1.1\r\nHost: a\r\n\r\n");
    assert.equal((await client.readHead()).status, 200);
    const pid = Number(written("stopping"));
    assert(isRunning(pid));
    // A client that only closes its sending side may still read.
    client.socket.resetAndDestroy();
    await until("it is gone", () => !isRunning(pid));
  });

  it("has a slow client", async () => {
    const client = await RawClient.connect(typhon);
    client.socket.pause();
    client.write("GET /cgi/large HTTP/1.1\r\nHost: a\r\n\r\n");
    await until("it has ended", () => written("large-done") !== "");
    client.socket.resume();
    assert.equal((await client.readResponse()).body.length, 20_000_000);
    client.destroy();
  });
});

describe("a wrong response is 500, with the words of the program in the log:", () => {
  for (const [name, words] of [
    ["bad", /"<html>" is no header field/],
    ["empty", /sent no response; the program ended with exit code 3/],
  ] as const)
    it(name, async () => {
      const from = typhon.output.all.length;
      const response = await getOnce(typhon, `/cgi/${name}`);
      assert.equal(response.status, 500);
      assert.doesNotMatch(response.text, /html>|said/);
      const id = fieldOf(response, "x-request-id");
      await typhon.output.waitFor(new RegExp(`${words.source}.*${id}`), from);
      await typhon.output.waitFor(/bad words|nothing said/, from);
    });

  it("a length that is not reached is a cut", async () => {
    const client = await RawClient.connect(typhon);
    client.write("GET /cgi/short HTTP/1.1\r\nHost: a\r\n\r\n");
    await client.readHead();
    assert.equal((await client.readUntilCut()).toString(), "few\n");
    await typhon.output.waitFor(/96 bytes less than its Content-Length/);
    client.destroy();
  });

  it("an exit code behind a whole response is only told", async () => {
    assert.equal((await getOnce(typhon, "/cgi/fails")).text, "all\n");
    await typhon.output.waitFor(/ended with exit code 4/);
  });
});

describe("nothing is run or shown of", () => {
  for (const [path, status] of [
    ["/cgi/text.txt", 403],
    ["/cgi/module.py", 403],
    ["/cgi/x.cgi.d/avatar.jpg", 403],
    ["/cgi/", 404],
    ["/cgi/sub", 404],
    ["/cgi/none", 404],
    ["/cgi/.hidden", 404],
    ["/cgi/%2ehidden", 404],
    ["/cgi/out", 404],
    ["/cgi/out-folder/program", 404],
    ["/cgi/..%2foutside/program", 404],
    ["/cgi/../outside/program", 404],
    ["/cgi/%2e%2e/outside/program", 404],
    ["/cgi/sub%2fhello", 404],
    ["/cgi/hello%2fx", 404],
    ["/cgi/hello%00", 400],
    ["/cgi/hello%0a", 404],
    ["/cgi/hello%5c..%5cx", 404],
    ["/cgi/fifo", 404],
  ] as const)
    it(path, async () => {
      const response = await getOnce(typhon, path);
      assert.equal(response.status, status);
      assert.doesNotMatch(response.text, /SECRET|hidden|outside|hello/);
    });
});

it("files send no source of programs below their folder, also through a link", async () => {
  const site = join(folder, "site");
  mkdirSync(join(site, "cgi-bin"), { recursive: true });
  writeFileSync(join(site, "cgi-bin/hello"), `#!/bin/sh\n# ${SECRET}\n${TYPE}echo ran\n`, {
    mode: 0o755,
  });
  writeFileSync(join(site, "page.txt"), "page");
  symlinkSync("cgi-bin", join(site, "folder"));
  symlinkSync("cgi-bin/hello", join(site, "program"));
  symlinkSync("page.txt", join(site, "link"));
  const options = { defaults: false, cwd: folder };
  for (const words of [["--cgi", "/cgi-bin=site/cgi-bin"], []]) {
    const files = await startTyphon(FILE, ["./site", ...words, "--bind", "127.0.0.1:0"], options);
    for (const path of ["/folder/hello", "/program", "/folder/"])
      assert.equal((await getOnce(files, path)).status, 404, path);
    assert.equal((await getOnce(files, "/link")).text, "page");
    assert.equal((await getOnce(files, "/cgi-bin/hello")).status, words.length === 0 ? 404 : 200);
  }
});
