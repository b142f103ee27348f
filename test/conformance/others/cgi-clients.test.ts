// Real clients and the CGI programs of their projects, under Apache (mod_cgid) and Typhon, warm and cold: git with
// git http-backend, Mercurial with hgweb, Fossil with itself. They clone, push 20 MB and fetch.

import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { promisify } from "node:util";

import {
  giveToPrograms,
  makeOpenFolder,
  programPlace,
  startApache,
  startCold,
  startWarm,
  type CgiServer,
  type StartCgi,
} from "../../support/cgi-programs.ts";
import { FILE } from "../../support/file-scope.ts";
import { makeScratch } from "../../support/scratch.ts";

const PATIENCE_MS = 120_000;
const PUSHED_BYTES = 20_000_000;
/** Of a run of a client, whatever the machine's own configuration says. */
const SETTINGS = {
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_TERMINAL_PROMPT: "0",
  GIT_AUTHOR_NAME: "Zoe",
  GIT_AUTHOR_EMAIL: "zoe@a.example",
  GIT_COMMITTER_NAME: "Zoe",
  GIT_COMMITTER_EMAIL: "zoe@a.example",
  HGRCPATH: "",
  HGUSER: "zoe",
  USER: "zoe",
};

/** Runs a client in a folder; its output. */
async function run(cwd: string, command: string, ...words: string[]): Promise<string> {
  const env = { ...process.env, HOME: cwd, ...SETTINGS };
  const options = { cwd, env, timeout: PATIENCE_MS, maxBuffer: 16 << 20 };
  return (await promisify(execFile)(command, words, options)).stdout;
}

/** Repositories for pushes, and the server that has them. */
async function serve(start: StartCgi): Promise<{ url: string; folder: string; server: CgiServer }> {
  const folder = makeOpenFolder(FILE);
  const file = (...parts: string[]): string => join(folder, ...parts);
  const env = { ...process.env, HOME: folder, ...SETTINGS };
  const prepare = (command: string, ...words: string[]): void =>
    void execFileSync(command, words, { cwd: folder, env, stdio: "pipe" });
  for (const name of ["git", "hg"]) mkdirSync(file(name));
  prepare("git", "init", "--quiet", "--bare", "-b", "main", "git/a.git");
  prepare("git", "-C", "git/a.git", "config", "http.receivepack", "true");
  prepare("hg", "init", "hg/a");
  prepare("fossil", "init", "--project-name", "A", "--admin-user", "zoe", "a.fossil");
  prepare("fossil", "user", "password", "zoe", "secret", "-R", "a.fossil");
  const program = (name: string, ...lines: string[]): string => {
    writeFileSync(file(name), `${lines.join("\n")}\n`);
    chmodSync(file(name), 0o755);
    return file(name);
  };
  writeFileSync(
    file("hgweb.config"),
    `[paths]\n/ = ${file("hg")}/*\n[web]\nallow-push = *\npush_ssl = false\n`,
  );
  const hgweb = program(
    "hgweb.cgi",
    "#!/usr/bin/python3",
    "from mercurial import demandimport",
    "demandimport.enable()",
    "from mercurial.hgweb import hgweb, wsgicgi",
    `wsgicgi.launch(hgweb(b"${file("hgweb.config")}"))`,
  );
  const fossil = program("fossil.cgi", "#!/usr/bin/fossil", `repository: ${file("a.fossil")}`);
  giveToPrograms(folder);
  const variables = {
    GIT_PROJECT_ROOT: file("git"),
    GIT_HTTP_EXPORT_ALL: "1",
    HGRCPATH: "",
    USER: "www-data",
  };
  const server = await start(FILE, [
    programPlace("/git", "/usr/lib/git-core/git-http-backend", variables),
    programPlace("/hg", hgweb, variables),
    programPlace("/fossil", fossil, variables),
  ]);
  return { url: `http://127.0.0.1:${server.port}`, folder, server };
}

for (const [title, start] of [
  ["Apache", startApache],
  ["Typhon, warm", startWarm],
  ["Typhon, cold", startCold],
] as const) {
  describe(title, async () => {
    const { url, folder, server } = await serve(start);
    const work = makeScratch(FILE);

    it("git clones, pushes 20 MB and fetches", async () => {
      const [first, second] = [join(work, "first"), join(work, "second")];
      await run(work, "git", "clone", "--quiet", `${url}/git/a.git`, first);
      const content = randomBytes(PUSHED_BYTES);
      writeFileSync(join(first, "large.bin"), content);
      await run(first, "git", "add", ".");
      await run(first, "git", "commit", "--quiet", "-m", "large");
      await run(first, "git", "push", "--quiet", "origin", "HEAD:main");
      await run(work, "git", "clone", "--quiet", `${url}/git/a.git`, second);
      assert(content.equals(readFileSync(join(second, "large.bin"))));
      // Many refs make a negotiation whose requests git compresses.
      for (let at = 0; at < 20; at += 1) {
        writeFileSync(join(first, "small.txt"), `${at}\n`);
        await run(first, "git", "add", ".");
        await run(first, "git", "commit", "--quiet", "-m", `number ${at}`);
        await run(first, "git", "tag", `v${at}`);
      }
      await run(first, "git", "push", "--quiet", "--tags", "origin", "HEAD:main");
      await run(second, "git", "pull", "--quiet", "--tags", "origin", "main");
      assert.equal(readFileSync(join(second, "small.txt"), "utf8"), "19\n");
      const tip = await run(first, "git", "rev-parse", "HEAD");
      assert.equal(await run(second, "git", "rev-parse", "v19"), tip);
      await run(second, "git", "fsck", "--strict");
      await assert.rejects(run(work, "git", "clone", `${url}/git/missing.git`, "no"), /not found/);
    });

    it("Mercurial clones, pushes 20 MB and pulls", async () => {
      const [first, second] = [join(work, "hg-first"), join(work, "hg-second")];
      await run(work, "hg", "clone", "--quiet", `${url}/hg/a`, first);
      const content = randomBytes(PUSHED_BYTES);
      writeFileSync(join(first, "large.bin"), content);
      await run(first, "hg", "commit", "--quiet", "-A", "-m", "large");
      await run(first, "hg", "push", "--quiet");
      await run(work, "hg", "clone", "--quiet", `${url}/hg/a`, second);
      assert(content.equals(readFileSync(join(second, "large.bin"))));
      writeFileSync(join(first, "small.txt"), "more\n");
      await run(first, "hg", "commit", "--quiet", "-A", "-m", "small");
      await run(first, "hg", "push", "--quiet");
      await run(second, "hg", "pull", "--quiet", "--update");
      assert.equal(readFileSync(join(second, "small.txt"), "utf8"), "more\n");
      await run(second, "hg", "verify", "--quiet");
    });

    it("Fossil clones, and syncs what was committed", async () => {
      const login = url.replace("//", "//zoe:secret@");
      await run(work, "fossil", "clone", "--once", `${login}/fossil`, "b.fossil", "-A", "zoe");
      mkdirSync(join(work, "checkout"));
      const checkout = join(work, "checkout");
      await run(checkout, "fossil", "open", join(work, "b.fossil"));
      await run(checkout, "fossil", "settings", "autosync", "off");
      writeFileSync(join(checkout, "large.bin"), randomBytes(2_000_000));
      await run(checkout, "fossil", "add", "large.bin");
      await run(
        checkout,
        "fossil",
        "commit",
        "--no-warnings",
        "--user-override",
        "zoe",
        "-m",
        "a commit of fossil",
      );
      await run(checkout, "fossil", "push", `${login}/fossil`, "--once");
      const said = await run(work, "fossil", "timeline", "-R", join(folder, "a.fossil"), "-n", "5");
      assert.match(said, /a commit of fossil/, server.readLog());
    });
  });
}
