// Values of a module of settings that are known without running it: strings, and paths made of __file__, pathlib and
// os.path. A value that depends on anything else is null.

import { dirname, join, resolve } from "node:path";

import type { Call, Expression } from "./expression.ts";
import { filesOfModule } from "./module-paths.ts";
import type { SourceFile, SourceFiles } from "./source-files.ts";

const MAX_STEPS = 40;
/** A longer text is no path of a file system and no name: it counts as not known. */
const MAX_CHARACTERS = 4096;

/** A string, or an absolute path of pathlib. */
interface Constant {
  readonly text: string;
  readonly isPath: boolean;
}

export interface ConstantsContext {
  readonly files: SourceFiles;
  /** Where imports of the project's modules begin, and relative paths. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export class Constants {
  readonly #context: ConstantsContext;
  #steps = 0;

  constructor(context: ConstantsContext) {
    this.#context = context;
  }

  /** The text of a name; null: the module has no such name. undefined: the value is not known without running it. */
  textOf(file: SourceFile, name: string): string | null | undefined {
    this.#steps = 0;
    const found = this.#find(file, name, new Set());
    if (found === null) return null;
    return this.#valueOf(found.expression, found.file, 0)?.text;
  }

  /** The module's own value, else that of the modules that it imports with a star, the last first. */
  #find(
    file: SourceFile,
    name: string,
    seen: Set<SourceFile>,
  ): { readonly file: SourceFile; readonly expression: Expression } | null {
    if (seen.has(file)) return null;
    seen.add(file);
    const value = file.module.names.get(name)?.at(-1);
    if (value?.kind === "expression") return { file, expression: value.expression };
    const imported = value?.kind === "import" && value.name !== null ? value : null;
    if (imported !== null)
      for (const from of this.#filesOf(imported, file)) {
        const found = this.#find(from, imported.name ?? name, seen);
        if (found !== null) return found;
      }
    for (const star of file.module.stars.toReversed())
      for (const from of this.#filesOf(star, file)) {
        const found = this.#find(from, name, seen);
        if (found !== null) return found;
      }
    return null;
  }

  #filesOf({ level, module }: { level: number; module: string }, from: SourceFile): SourceFile[] {
    const root = level > 0 ? up(dirname(from.path), level - 1) : this.#context.folder;
    return filesOfModule(root, module).flatMap((one) => this.#context.files.read(one) ?? []);
  }

  #valueOf(expression: Expression, file: SourceFile, depth: number): Constant | null {
    const constant = this.#evaluate(expression, file, depth);
    return constant !== null && constant.text.length <= MAX_CHARACTERS ? constant : null;
  }

  #evaluate(expression: Expression, file: SourceFile, depth: number): Constant | null {
    this.#steps += 1;
    if (depth > MAX_STEPS || this.#steps > MAX_STEPS ** 2) return null;
    const inner: Inner = (one) => one && this.#valueOf(one, file, depth + 1);
    switch (expression.kind) {
      case "string":
        return { text: expression.text, isPath: false };
      case "name":
        return this.#named(expression.name, file, depth);
      case "attribute":
      case "item":
        return parentOf(expression, inner);
      case "operation":
        return operated(expression, inner);
      case "call":
        return this.#resultOf(expression, inner);
      case "either":
        if (expression.hasTest) return null;
        return expression.options.map(inner).find((one) => one !== null && one.text !== "") ?? null;
      default:
        return null;
    }
  }

  #named(name: string, file: SourceFile, depth: number): Constant | null {
    if (name === "__file__") return { text: file.path, isPath: false };
    const found = this.#find(file, name, new Set());
    return found && this.#valueOf(found.expression, found.file, depth + 1);
  }

  #resultOf(call: Call, inner: Inner): Constant | null {
    const { callee, positional } = call;
    const [first = null, second = null] = positional;
    if (callee.kind === "name") {
      const made = this.#called(callee.name, positional, inner);
      if (made !== null) return made;
      // ROOT_DIR("static") of django-environ.
      const root = inner(callee);
      return root?.isPath === true ? joinAll([root, ...positional.map(inner)], true) : null;
    }
    if (callee.kind !== "attribute") return null;
    const { name, of } = callee;
    const isOfEnviron = of.kind === "attribute" && of.name === "environ";
    if ((name === "get" && isOfEnviron) || name === "getenv") {
      const variable = inner(first)?.text;
      const value = variable === undefined ? undefined : this.#context.environment[variable];
      return value === undefined ? inner(second) : { text: value, isPath: false };
    }
    if (name === "resolve" || name === "absolute") return inner(of);
    if (name === "joinpath") return joinAll([of, ...positional].map(inner), true);
    if (name === "as_posix") return asText(inner(of));
    return this.#called(name, positional, inner);
  }

  /** Functions of os.path, pathlib and the like, however they were imported. */
  #called(name: string, positional: readonly Expression[], inner: Inner): Constant | null {
    const of = inner(positional[0] ?? null);
    const { folder } = this.#context;
    if (/^(?:Pure|Posix)*Path$/.test(name)) {
      const all = joinAll(positional.map(inner), true);
      return all && path(resolve(folder, all.text));
    }
    if (name === "join") return joinAll(positional.map(inner), false);
    if (name === "str" || name === "fspath") return asText(of);
    if (name === "dirname") return of && { ...of, text: dirname(of.text) };
    if (/^(?:abs|real|norm)path$/.test(name))
      return of && { ...of, text: resolve(folder, of.text) };
    return null;
  }
}

type Inner = (expression: Expression | null) => Constant | null;

/** `path.parent` and `path.parents[n]`. */
function parentOf(expression: Expression, inner: Inner): Constant | null {
  if (expression.kind === "attribute") {
    const of = expression.name === "parent" ? inner(expression.of) : null;
    return of?.isPath === true ? path(dirname(of.text)) : null;
  }
  if (expression.kind !== "item") return null;
  const { of, index } = expression;
  if (of.kind !== "attribute" || of.name !== "parents" || index.kind !== "number") return null;
  const start = inner(of.of);
  return start?.isPath === true ? path(up(start.text, index.value + 1)) : null;
}

function operated(
  { operator, left, right }: Expression & { kind: "operation" },
  inner: Inner,
): Constant | null {
  const first = inner(left);
  // environ.Path(__file__) - 3
  if (operator === "-" && first?.isPath === true && right.kind === "number")
    return path(up(first.text, right.value));
  const second = inner(right);
  if (first === null || second === null) return null;
  if (operator === "/" && (first.isPath || second.isPath)) return joinAll([first, second], true);
  return operator === "+" && !first.isPath && !second.isPath
    ? { text: first.text + second.text, isPath: false }
    : null;
}

function asText(constant: Constant | null): Constant | null {
  return constant && { ...constant, isPath: false };
}

function path(text: string): Constant {
  return { text, isPath: true };
}

function up(from: string, levels: number): string {
  let folder = from;
  for (let level = 0; level < Math.min(levels, MAX_STEPS); level += 1) folder = dirname(folder);
  return folder;
}

/** As os.path.join: an absolute part begins anew. */
function joinAll(parts: readonly (Constant | null)[], isPath: boolean): Constant | null {
  let text = "";
  for (const part of parts) {
    if (part === null) return null;
    text = part.text.startsWith("/") ? part.text : join(text, part.text);
  }
  return parts.length === 0 ? null : { text, isPath };
}
