// The programs of cgi-bin and programs from Debian's packages under Apache (mod_cgid) and Typhon, warm and cold: the
// same requests have the same responses, but for fields that each server writes by itself. As root the programs
// run as www-data under all of them.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";

import { compared, SMALL_CASES, type CgiCase } from "../../support/cgi-cases.ts";
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
  type CgiServer,
} from "../../support/cgi-programs.ts";
import { FILE } from "../../support/file-scope.ts";

const AWSTATS = "/usr/lib/cgi-bin/awstats.pl";

const DEBIAN: readonly CgiCase[] = [
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

for (const [title, cases] of [
  ["small programs", SMALL_CASES],
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
