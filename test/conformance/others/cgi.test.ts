// The programs of cgi-bin and programs from Debian's packages under Apache (mod_cgid) and Typhon, warm and cold: the
// same requests have the same responses, but for fields that each server writes by itself. As root the programs
// run as www-data under all of them.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { gunzipSync } from "node:zlib";

import {
  ask,
  folderPlace,
  giveToPrograms,
  makeOpenFolder,
  makePrograms,
  programPlace,
  startApache,
  startCold,
  startWarm,
  type CgiAnswer,
  type CgiAsk,
  type CgiServer,
} from "../../support/cgi-programs.ts";
import { FILE } from "../../support/file-scope.ts";

const AWSTATS = "/usr/lib/cgi-bin/awstats.pl";

interface Case extends CgiAsk {
  /** The status that all servers send, and a part of the document. */
  readonly status: number;
  readonly shows?: string;
  /** Where Apache's is another one. */
  readonly apacheStatus?: number;
  /** Only the status is compared: the document is the server's own. */
  readonly isServersPage?: boolean;
}

/** Fields of the connection and of the server; times; entity tags of a program that depend on the time. */
const ASIDE =
  /^(?:date|server|connection|keep-alive|transfer-encoding|content-length|x-request-id|last-modified|expires|etag):/;

const NONCE = /nonce(=|-)["']?[\w+/=-]+["']?/g;
/** What differs from one run of a program to the next one, whatever the server. */
const MOMENTS: readonly (readonly [RegExp, string])[] = [
  // cgitb, cgit, fossil.
  [/^\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}$/gm, "TIME"],
  [/ at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(?[^<)]*/g, " at TIME"],
  [/generated in about\s+[\d.]+s/g, "generated in about TIME"],
  [NONCE, "nonce"],
  [/0x[0-9a-f]+/g, "0xADDRESS"],
];

const MULTIPART = [
  "--cut",
  'Content-Disposition: form-data; name="title"',
  "",
  "Größe",
  "--cut",
  'Content-Disposition: form-data; name="file"; filename="a.bin"',
  "Content-Type: application/octet-stream",
  "",
  "\u0000\u00ff\r\n".repeat(5000),
  "--cut--",
  "",
].join("\r\n");

const FORM = { "Content-Type": "application/x-www-form-urlencoded" };
const RPC = `<?xml version="1.0"?><methodCall><methodName>pow</methodName><params><param><value><int>2</int></value></param><param><value><int>10</int></value></param></params></methodCall>`;

const SMALL: readonly Case[] = [
  { path: "/cgi-bin/hello.py", status: 200, shows: "<h1>Hello, World!</h1>" },
  { path: "/cgi-bin/hello.py", method: "HEAD", status: 200 },
  { path: "/cgi-bin/form.py?b=2&a=1&a=%3Cx%3E&c=", status: 200, shows: "&lt;x&gt;" },
  { path: "/cgi-bin/form.py", body: "x=1&y=a+b", fields: FORM, status: 200, shows: "a b" },
  {
    path: "/cgi-bin/form.py",
    body: Buffer.from(MULTIPART, "latin1"),
    fields: { "Content-Type": "multipart/form-data; boundary=cut" },
    status: 200,
    shows: "file (a.bin, 20000)",
  },
  { path: "/cgi-bin/fault.py", status: 200, shows: "ZeroDivisionError" },
  { path: "/cgi-bin/cookies.py", fields: { Cookie: "count=4" }, status: 200, shows: "5 ['count']" },
  { path: "/cgi-bin/redirect.py?client", status: 302, isServersPage: true },
  { path: "/cgi-bin/redirect.py?document", status: 303, shows: ">there<" },
  { path: "/cgi-bin/redirect.py?local", status: 200, shows: "PATH_INFO /moved" },
  { path: "/cgi-bin/where.py", status: 200, shows: "PATH_INFO -" },
  {
    path: "/cgi-bin/where.py/a%20b/stra%C3%9Fe?c=%20d&e",
    status: 200,
    shows: "PATH_INFO /a b/straße",
  },
  { path: "/cgi-bin/where.py/a/./b/../c", status: 200, shows: "PATH_INFO /a/c" },
  { path: "/cgi-bin/where.py?one+two%20three", status: 200, shows: "['one', 'two three']" },
  { path: "/cgi-bin/where.py", method: "PUT", body: "abc", status: 200, shows: "METHOD PUT" },
  { path: "/cgi-bin/where.py", method: "DELETE", status: 200, shows: "METHOD DELETE" },
  {
    path: "/cgi-bin/upload.py",
    body: Buffer.alloc(3_000_000, "ab"),
    status: 200,
    shows: "3000000 0",
  },
  { path: "/cgi-bin/download.py", status: 200 },
  { path: "/cgi-bin/guests.py?zoe=hi&adam=ho", status: 200, shows: '"since": 1970' },
  { path: "/cgi-bin/wsgi.py/x", body: "tea", status: 418, shows: "short and stout: tea" },
  {
    path: "/cgi-bin/rpc.py",
    body: RPC,
    fields: { "Content-Type": "text/xml" },
    status: 200,
    shows: "<int>1024</int>",
  },
  { path: "/cgi-bin/status.py?404", status: 404, shows: "a document of 404" },
  { path: "/cgi-bin/status.py?503", status: 503, shows: "a document of 503" },
  { path: "/cgi-bin/status.py?299", status: 299, shows: "a document of 299" },
  { path: "/cgi-bin/status.py?204", status: 204 },
  { path: "/cgi-bin/status.py?304", status: 304 },
  { path: "/cgi-bin/packed.py", status: 200 },
  { path: "/cgi-bin/letters.py", status: 200, shows: "Zoë, Straße, 東京" },
  { path: "/cgi-bin/children.py", status: 200, shows: "from a child\nfrom a thread 42" },
  { path: "/cgi-bin/neighbour.py", status: 200, shows: "beside greets __main__ 0" },
  { path: "/cgi-bin/silent.py", status: 500, isServersPage: true },
  { path: "/cgi-bin/headless.py", status: 500, isServersPage: true },
  { path: "/cgi-bin/shadow/which.py", status: 200, shows: "colours of our own 2 In place of" },
  // Apache tries to run the file.
  { path: "/cgi-bin/beside.py", status: 403, apacheStatus: 500, isServersPage: true },
  { path: "/cgi-bin/missing.py", status: 404, isServersPage: true },
  { path: "/cgi-bin/hello.sh?one+two", status: 200, shows: "one+two, 2 words" },
  { path: "/cgi-bin/hello.sh", body: "in a body", status: 200, shows: "in a body" },
  { path: "/cgi-bin/hello.pl?b=c;a=1", status: 200, shows: "a=1, b=c" },
  { path: "/cgi-bin/hello.cgi", body: "echo", status: 200, shows: "Hello from C: echo" },
  {
    path: "/cgi-bin/page.php/info?a[]=1&a[]=2",
    body: "p=q",
    fields: FORM,
    status: 200,
    shows: `"p":"q"`,
  },
];

const DEBIAN: readonly Case[] = [
  { path: "/gitweb", status: 200, shows: "work.git" },
  { path: "/gitweb?p=work.git;a=summary", status: 200, shows: "second" },
  { path: "/gitweb?p=work.git;a=log", status: 200, shows: "first" },
  { path: "/gitweb?p=work.git;a=blob_plain;f=a.txt;hb=HEAD", status: 200, shows: "one\ntwo" },
  { path: "/gitweb?p=work.git;a=commitdiff;h=HEAD", status: 200, shows: "+two" },
  { path: "/gitweb?p=work.git;a=snapshot;h=HEAD;sf=tgz", status: 200 },
  { path: "/gitweb?p=missing.git", status: 404, shows: "404 - No such project" },
  { path: "/cgit/", status: 200, shows: "work.git" },
  { path: "/cgit/work.git/", status: 200, shows: "second" },
  { path: "/cgit/work.git/tree/a.txt", status: 200, shows: "two" },
  { path: "/cgit/work.git/plain/a.txt", status: 200, shows: "one\ntwo" },
  { path: "/cgit/work.git/patch/", status: 200, shows: "+two" },
  { path: "/cgit/missing.git/", status: 404 },
  {
    path: "/git/work.git/info/refs?service=git-upload-pack",
    status: 200,
    shows: "refs/heads/main",
  },
  { path: "/git/work.git/HEAD", status: 200, shows: "ref: refs/heads/main" },
  { path: "/git/work.git/info/refs?service=git-receive-pack", status: 403 },
  { path: "/git/missing.git/HEAD", status: 404 },
  { path: "/hg/", status: 200, shows: "work" },
  { path: "/hg/work/", status: 200, shows: "added" },
  { path: "/hg/work/raw-file/tip/a.txt", status: 200, shows: "one" },
  { path: "/hg/work?cmd=capabilities", status: 200, shows: "getbundle" },
  { path: "/hg/missing/", status: 404, shows: "not found" },
  { path: "/fossil/home", status: 200, shows: "Work" },
  { path: "/fossil/timeline?y=all", status: 200, shows: "initial empty check-in" },
  { path: "/fossil/doc/none", status: 404 },
  {
    path: "/awstats?config=work&year=2024&month=01&configdir={folder}",
    status: 200,
    shows: "Statistics for work.example",
  },
  { path: "/awstats?config=missing", status: 200, shows: "SiteDomain parameter not defined" },
];

let folder = "";
const servers: { apache?: CgiServer; warm?: CgiServer; cold?: CgiServer } = {};

before(async () => {
  folder = makeOpenFolder(FILE);
  const env = makeRepositories();
  const places = [
    folderPlace("/cgi-bin", makePrograms(FILE), { REDIRECT_STATUS: "200" }),
    programPlace("/gitweb", "/usr/share/gitweb/gitweb.cgi", env),
    programPlace("/cgit", "/usr/lib/cgit/cgit.cgi", env),
    programPlace("/git", "/usr/lib/git-core/git-http-backend", env),
    programPlace("/hg", join(folder, "hgweb.cgi"), env),
    programPlace("/fossil", join(folder, "fossil.cgi"), env),
    programPlace("/awstats", AWSTATS, env),
  ];
  servers.apache = await startApache(FILE, places);
  servers.warm = await startWarm(FILE, places);
  servers.cold = await startCold(FILE, places);
});

/** Repositories with two commits each, and what the programs need to find them; returns their variables. */
function makeRepositories(): Readonly<Record<string, string>> {
  const file = (...parts: string[]): string => join(folder, ...parts);
  const dated = {
    GIT_AUTHOR_DATE: "2024-01-02T03:04:05Z",
    GIT_COMMITTER_DATE: "2024-01-02T03:04:05Z",
  };
  const identity = {
    GIT_CONFIG_GLOBAL: "/dev/null",
    HOME: folder,
    HGRCPATH: "",
    USER: "zoe",
    ...dated,
  };
  const run = (command: string, cwd: string, ...words: string[]): void =>
    void execFileSync(command, words, { cwd, env: { ...process.env, ...identity }, stdio: "pipe" });
  const user = ["-c", "user.name=Zoe", "-c", "user.email=zoe@a.example"];
  for (const name of ["git-work", "hg/work", "git"]) mkdirSync(file(name), { recursive: true });
  run("git", file("git-work"), "init", "--quiet", "-b", "main");
  run("hg", file("hg/work"), "init");
  for (const [text, message] of [
    ["one\n", "first"],
    ["one\ntwo\n", "second, added"],
  ] as const) {
    for (const place of ["git-work", "hg/work"]) writeFileSync(file(place, "a.txt"), text);
    run("git", file("git-work"), "add", ".");
    run("git", file("git-work"), ...user, "commit", "--quiet", "-m", message);
    run("hg", file("hg/work"), "commit", "-A", "-u", "zoe", "-d", "1700000000 0", "-m", message);
  }
  run("git", folder, "clone", "--quiet", "--bare", "git-work", "git/work.git");
  run("fossil", folder, "init", "--project-name", "Work", "work.fossil");
  const write = (name: string, ...lines: string[]): void =>
    writeFileSync(file(name), `${lines.join("\n")}\n`);
  write(
    "gitweb.conf",
    `$projectroot = "${file("git")}";`,
    "$feature{'snapshot'}{'default'} = ['tgz'];",
    "1;",
  );
  write("cgitrc", "virtual-root=/cgit/", `scan-path=${file("git")}`);
  write("hgweb.config", "[paths]", `/ = ${file("hg")}/*`);
  write(
    "hgweb.cgi",
    "#!/usr/bin/python3",
    "from mercurial import demandimport",
    "demandimport.enable()",
    "from mercurial.hgweb import hgweb, wsgicgi",
    `wsgicgi.launch(hgweb(b"${file("hgweb.config")}"))`,
  );
  write("fossil.cgi", "#!/usr/bin/fossil", `repository: ${file("work.fossil")}`);
  write(
    "access.log",
    '192.0.2.1 - - [02/Jan/2024:03:04:05 +0000] "GET /a.html HTTP/1.1" 200 1234 "-" "Mozilla/5.0"',
  );
  write(
    "awstats.work.conf",
    `LogFile="${file("access.log")}"`,
    "LogFormat=1",
    'SiteDomain="work.example"',
    `DirData="${folder}"`,
    'Lang="en"',
    "DNSLookup=0",
  );
  execFileSync("perl", [AWSTATS, "-config=work", "-update", `-configdir=${folder}`], {
    stdio: "pipe",
  });
  for (const name of ["hgweb.cgi", "fossil.cgi"]) chmodSync(file(name), 0o755);
  giveToPrograms(folder);
  return {
    GITWEB_CONFIG: file("gitweb.conf"),
    CGIT_CONFIG: file("cgitrc"),
    GIT_PROJECT_ROOT: file("git"),
    GIT_HTTP_EXPORT_ALL: "1",
    HGRCPATH: "",
    AWSTATS_ENABLE_CONFIG_DIR: folder,
  };
}

/** A response without the fields and the moments that belong to the server or the time. */
function compared({ status, fields, body }: CgiAnswer, { isServersPage }: Case): object {
  if (isServersPage === true) return { status };
  const isPacked = fields.includes("content-encoding: gzip");
  const plain = (isPacked ? gunzipSync(body) : body).toString("latin1");
  const text = MOMENTS.reduce((said, [pattern, word]) => said.replace(pattern, word), plain);
  const kept = fields.filter((line) => !ASIDE.test(line));
  return { status, fields: joinRepeated(kept.map((line) => line.replace(NONCE, "nonce"))), text };
}

/** Fields of one name as one line (RFC 9110 §5.3): Apache joins them, but for cookies. */
function joinRepeated(lines: readonly string[]): string[] {
  const joined: string[] = [];
  for (const line of lines) {
    const [name = "", value = ""] = line.split(/: (.*)/s);
    const last = joined.at(-1) ?? "";
    const isRepeated = name !== "set-cookie" && last.startsWith(`${name}: `);
    if (isRepeated) joined.splice(-1, 1, `${last}, ${value}`);
    else joined.push(line);
  }
  return joined;
}

for (const [title, cases] of [
  ["small programs", SMALL],
  ["programs of Debian", DEBIAN],
] as const) {
  describe(title, () => {
    for (const one of cases) {
      const method = one.method ?? (one.body === undefined ? "GET" : "POST");
      it(`${method} ${one.path}`, async () => {
        const { apache, warm, cold } = servers;
        assert(apache !== undefined && warm !== undefined && cold !== undefined);
        const asked = { ...one, path: one.path.replace("{folder}", folder) };
        const theirs = await ask(apache, asked);
        const { status, apacheStatus = status } = one;
        assert.equal(
          theirs.status,
          apacheStatus,
          `apache\n${theirs.body.toString()}\n${apache.readLog()}`,
        );
        if (one.shows !== undefined) {
          const text = theirs.body.toString("utf8");
          assert(text.includes(one.shows), text);
        }
        // Twice: the first run of a program makes its template.
        for (const server of [cold, warm, warm]) {
          const ours = await ask(server, asked);
          const expected = { ...compared(theirs, one), status };
          assert.deepEqual(compared(ours, one), expected, server.name);
        }
      });
    }
  });
}
