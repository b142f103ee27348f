// The instructions of a Dockerfile, and the little of them that tests run or judge: continued lines are joined,
// comments left out, JSON forms read. No variables, no heredocs, no multi-stage names.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { CHECKOUT } from "./scratch.ts";

export interface Instruction {
  /** In capitals. */
  readonly name: string;
  readonly text: string;
}

export function readDockerfile(path = "docker/Dockerfile"): readonly Instruction[] {
  const source = readFileSync(join(CHECKOUT, path), "utf8").replaceAll(/^\s*#.*\n/gm, "");
  return source
    .replaceAll(/\\\n\s*/g, "")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [, name = "", text = ""] = /^([A-Z]+) +(.+)$/.exec(line) ?? [];
      assert(name !== "", line);
      return { name, text };
    });
}

/** The text of the only instruction of a name. */
export function onlyText(instructions: readonly Instruction[], name: string): string {
  const found = instructions.filter((one) => one.name === name);
  assert.equal(found.length, 1, `${found.length} × ${name}`);
  return found[0]?.text ?? "";
}

/** The words of a command in the form with brackets. */
export function execForm(text: string): readonly string[] {
  const words: unknown = JSON.parse(text);
  assert(Array.isArray(words) && words.every((word) => typeof word === "string"), text);
  return words;
}

/** The variables of ENV. */
export function variablesOf(
  instructions: readonly Instruction[],
): Readonly<Record<string, string>> {
  const words = instructions.flatMap(({ name, text }) => (name === "ENV" ? text.split(" ") : []));
  return Object.fromEntries(
    words.map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)]),
  );
}
