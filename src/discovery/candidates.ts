// The application of one module, by the names and kinds that are usual: `app`, `application`, `api`, the only object of
// a known framework, a function that makes the application and needs no arguments. Two that the order does not decide
// between are both told.

import { FACTORIES, SCRIPTS } from "./frameworks.ts";
import type { SourceFile } from "./source-files.ts";
import type { Verdict, Verdicts } from "./verdicts.ts";

const NAMES = ["app", "application", "api"] as const;
/** Names of tests and the like, which make applications for themselves. */
const INNER_NAME = /^_|^test/;
/** Applications of no framework: many functions have their form, so that they need a usual name. */
const PLAIN = /callable$|class$/;

export interface Candidate {
  /** What follows the colon: "app", "app.server", "create_app()". */
  readonly callable: string;
  /** For people: "the FastAPI object app". */
  readonly is: string;
}

export interface ModuleCandidates {
  /** One, several that exclude each other, or none. */
  readonly found: readonly Candidate[];
  /** Why names that look like an application are none; each a sentence without a full stop. */
  readonly reasons: readonly string[];
}

interface Named {
  readonly name: string;
  readonly verdict: Verdict & { readonly grade: "application" };
}

/** What the module has. `label`: how the module is called in reasons. */
export function findCandidates(
  file: SourceFile,
  label: string,
  verdicts: Verdicts,
): ModuleCandidates {
  const found = choose(file, verdicts);
  return { found, reasons: found.length > 0 ? [] : reasonsOf(file, label, verdicts) };
}

function choose(file: SourceFile, verdicts: Verdicts): readonly Candidate[] {
  const usual = NAMES.flatMap((name) => applicationAt(name, file, verdicts));
  const [first] = usual;
  if (first !== undefined) {
    const isOne = usual.every(({ verdict }) => verdict.origin === first.verdict.origin);
    if (isOne) return [candidateOf(first)];
    const others = separate(usual, file, verdicts).filter(({ name }) => name !== first.name);
    const isInner = verdicts.innerOrigins(file).has(first.verdict.origin);
    // `api` around `app`: the outer one.
    if (isInner && others.length === 1) return others.map(candidateOf);
    return [first, ...others].map(candidateOf);
  }
  for (const name of ["app", "application"] as const)
    if (verdicts.ofName(file, name).grade === "possible")
      return [{ callable: name, is: `the object ${name}` }];
  const objects = [...file.module.names.keys()]
    .filter((name) => !INNER_NAME.test(name))
    .flatMap((name) => applicationAt(name, file, verdicts))
    .filter(({ verdict }) => !PLAIN.test(verdict.is));
  const separated = separate(objects, file, verdicts);
  if (separated.length > 0) return separated.map(candidateOf);
  const factories = [...file.module.names.keys()].flatMap((name) => {
    const made = INNER_NAME.test(name) ? null : verdicts.factory(file, name);
    return made === null || made.needsArguments ? [] : [{ name, is: made.is }];
  });
  const named = factories.filter(({ name }) => FACTORIES.has(name));
  const ofFrameworks = factories.filter(({ is }) => is !== "object" && !PLAIN.test(is));
  return (named.length > 0 ? named : ofFrameworks).map(({ name, is }) => ({
    callable: `${name}()`,
    is: is === "object" ? `what ${name}() returns` : `the ${is} that ${name}() returns`,
  }));
}

function applicationAt(name: string, file: SourceFile, verdicts: Verdicts): Named[] {
  const verdict = verdicts.ofName(file, name);
  return verdict.grade === "application" ? [{ name, verdict }] : [];
}

/** Each application once, and none that is mounted in, or wrapped by, another. */
function separate(all: readonly Named[], file: SourceFile, verdicts: Verdicts): Named[] {
  if (all.length < 2) return [...all];
  const inner = verdicts.innerOrigins(file);
  const seen = new Set<object>();
  const separated = all.filter(({ verdict: { origin } }) => {
    if (seen.has(origin)) return false;
    seen.add(origin);
    return true;
  });
  const outer = separated.filter(({ verdict }) => !inner.has(verdict.origin));
  return outer.length > 0 ? outer : separated.slice(0, 1);
}

function candidateOf({ name, verdict: { is, attribute } }: Named): Candidate {
  return {
    callable: attribute === "" ? name : `${name}.${attribute}`,
    is: `the ${is} ${name}`,
  };
}

function reasonsOf(file: SourceFile, label: string, verdicts: Verdicts): string[] {
  const reasons: string[] = [];
  for (const name of file.module.names.keys()) {
    const verdict = verdicts.ofName(file, name);
    const isUsual = NAMES.some((one) => one === name);
    if (verdict.grade === "stranger" && (isUsual || verdict.why.includes("write app =")))
      reasons.push(`${name} of ${label} is ${verdict.why.replaceAll("NAME", name)}`);
  }
  for (const name of NAMES)
    if (file.module.scriptNames.has(name) && !file.module.names.has(name))
      reasons.push(
        `${name} of ${label} is made only where the file is run as a script; move it out of if __name__ == "__main__"`,
      );
  for (const name of file.module.names.keys())
    if (verdicts.factory(file, name)?.needsArguments === true)
      reasons.push(
        `${name} of ${label} needs arguments: typhon '${label.replace(/(?:\/__init__)?\.py$/, "").replaceAll("/", ".")}:${name}(…)'`,
      );
  if (reasons.length > 0) return reasons;
  for (const { module, level } of file.module.imports()) {
    const words = level > 0 ? undefined : SCRIPTS.get(module.split(".")[0] ?? "");
    if (words !== undefined) return [`${label} ${words.replace("FILE", label)}`];
  }
  return [];
}
