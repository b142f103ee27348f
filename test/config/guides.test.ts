// The guides about sites, files and TLS: each command of Typhon in them, and each typhon.toml, is a right one.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";

import { readFlags } from "../../src/config/flags.ts";
import { loadConfiguration } from "../../src/config/load.ts";
import { readBlocks, readPage, readSteps } from "../support/guide.ts";

const GUIDES = [
  "site",
  "static-files",
  "access-control",
  "compression",
  "https",
  "certificates",
  "cgi",
];
/** Commands that serve nothing; end-to-end tests run them. */
const OTHERS = /^typhon (?:check|reload|hash-password)\b/;

const scratch = mkdtempSync(join(tmpdir(), "typhon-guides-"));
after(() => rmSync(scratch, { recursive: true }));
const FOLDERS = [
  "shop/static",
  "pages",
  "api",
  "static",
  "dist",
  "errors",
  "bin",
  "cgi-bin",
  "tools",
  "media",
  "www",
];
for (const name of [...FOLDERS, "public/cgi-bin", "venv/bin", "usr/lib/git-core/git-http-backend"])
  mkdirSync(join(scratch, name), { recursive: true });
for (const name of ["passwords", "dist/index.html", "example.pem", "example.key", "staff.pem"])
  writeFileSync(join(scratch, name), "");
for (const name of ["bin/python3", "venv/bin/python"])
  writeFileSync(join(scratch, name), "#!/bin/sh\n", { mode: 0o755 });

/** The fenced blocks of a guide that have this word behind their fence. */
function blocksOf(guide: string, word: string): string[] {
  const blocks = readBlocks(readPage(`docs/guide/${guide}.md`));
  return blocks.flatMap(({ language, text }) => (language === word ? [text] : []));
}

/** The commands of Typhon in a guide, those that a test runs and those that none can run. */
function commandsOf(guide: string): string[] {
  const plain = blocksOf(guide, "").flatMap((text) => text.split("\n"));
  const sessions = blocksOf(guide, "console").flatMap((text) => readSteps(text));
  return [...plain, ...sessions.map(({ command }) => command)].filter((line) =>
    line.startsWith("typhon "),
  );
}

function load(words: readonly string[]): ReturnType<typeof loadConfiguration> {
  return loadConfiguration(
    readFlags(words),
    { PATH: join(scratch, "bin"), HOME: scratch },
    scratch,
  );
}

for (const guide of GUIDES) {
  test(`${guide}.md: every typhon.toml`, () => {
    for (const text of blocksOf(guide, "toml")) {
      // A block that shows a route alone has its application elsewhere on the page.
      const isPart = /^app = "shop"$/m.test(text) && !text.includes("[apps.shop]");
      const shop = isPart ? '\n[apps.shop]\napp = "shop.wsgi"\n' : "";
      // Programs of the whole machine are looked for in the scratch folder.
      writeFileSync(
        join(scratch, "typhon.toml"),
        text.replaceAll('"/usr/', `"${scratch}/usr/`) + shop,
      );
      const { routes } = load([]);
      assert(routes.length > 0, text);
    }
  });

  test(`${guide}.md: every command that serves`, () => {
    rmSync(join(scratch, "typhon.toml"), { force: true });
    for (const command of commandsOf(guide).filter((line) => !OTHERS.test(line))) {
      // Behind the command there may be words about it.
      const words = (command.split("   ", 1)[0] ?? "").trim().split(/ +/).slice(1);
      for (const word of words) {
        const folder = /^(?:\/\w+=)?(\/srv\/.*)$/.exec(word)?.[1];
        if (folder !== undefined) mkdirSync(join(scratch, folder), { recursive: true });
      }
      // Folders of the whole machine are looked for in the scratch folder.
      const local = words.map((word) => word.replace(/(^|=)\/(srv|usr)\//, `$1${scratch}/$2/`));
      assert(load(local).routes.length > 0, command);
    }
  });
}

test("the guides have files and commands to look at", () => {
  assert(blocksOf("site", "toml").length >= 4);
  assert(commandsOf("static-files").includes("typhon ./public --listing"));
  assert(dirname(scratch) === tmpdir());
});
