// docs/guide/embedding.md: each program in it is right for TypeScript, and each createServer takes its options.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { CHECKOUT, makeScratch } from "../support/scratch.ts";

const IMPORT = 'import { createServer } from "typhon-server";';

test("the programs of the guide are right", (t) => {
  const guide = readFileSync(join(CHECKOUT, "docs/guide/embedding.md"), "utf8");
  const blocks = [...guide.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, text = ""]) => text);
  assert(blocks.length >= 2);
  const folder = makeScratch(t);
  mkdirSync(join(folder, "public"));
  for (const [at, block] of blocks.entries()) {
    const whole = block.includes(IMPORT) ? block : `${IMPORT}\n${block}`;
    writeFileSync(join(folder, `block-${at}.ts`), `${whole}\nexport {};\n`);
    const begins = whole.split("\n").filter((line) => !line.includes("server.start()"));
    const source = begins
      .join("\n")
      .replace('"typhon-server"', JSON.stringify(join(CHECKOUT, "src/index.ts")));
    const made = join(folder, `made-${at}.mts`);
    writeFileSync(made, source);
    const { status, stderr } = spawnSync(process.execPath, [made], {
      cwd: folder,
      encoding: "utf8",
    });
    assert.equal(status, 0, `${block}\n${stderr}`);
  }
  const compilerOptions = {
    noUnusedLocals: false,
    typeRoots: [join(CHECKOUT, "node_modules/@types")],
  };
  const settings = {
    extends: join(CHECKOUT, "tsconfig.json"),
    compilerOptions,
    include: ["block-*.ts"],
  };
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(settings));
  const tsc = [join(CHECKOUT, "node_modules/.bin/tsc"), "-p", folder];
  const { status, stdout } = spawnSync(process.execPath, tsc, { encoding: "utf8" });
  assert.equal(status, 0, stdout);
});
