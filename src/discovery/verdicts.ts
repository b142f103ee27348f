// Whether a value of a module is an application: follows names, imports of files of the project, classes with their
// bases, functions with their results. Nothing is run, so that a value may also stay unknown.

import { dirname, join } from "node:path";

import type { Call, Expression } from "./expression.ts";
import { APPLICATIONS, FACTORIES, METHODS, strangerWords, WRAPPER } from "./frameworks.ts";
import { filesOfModule, isModule } from "./module-paths.ts";
import { isPackage } from "./entries.ts";
import type { ClassValue, FunctionValue, ImportValue, Names, Value } from "./python-module.ts";
import type { SourceFile, SourceFiles } from "./source-files.ts";

/** Steps from name to name. */
export const MAX_STEPS = 24;
/** Names that are looked up in all; sources of a thousand branches end here, and what is left is unknown. */
export const MAX_LOOK_UPS = 20_000;

/** What is known of a value. */
export type Verdict =
  | {
      readonly grade: "application";
      /** For people: "FastAPI object". */
      readonly is: string;
      /** "" or where the object has its application: "server". */
      readonly attribute: string;
      /** What made it: one object under two names is one application. */
      readonly origin: object;
    }
  /** Something unknown was called. */
  | { readonly grade: "possible"; readonly is: string; readonly origin: object }
  /** `why` continues "NAME is". */
  | { readonly grade: "stranger"; readonly why: string }
  | { readonly grade: "none" };

const NONE: Verdict = { grade: "none" };
const GRADES = ["application", "possible", "stranger", "none"] as const;

/** Where a name is looked up. */
interface Place {
  readonly file: SourceFile;
  /** The names of the function, the innermost first, then those of the module. */
  readonly names: readonly Names[];
  readonly steps: number;
}

type Origin =
  | { readonly kind: "outside"; readonly name: string }
  | { readonly kind: "module" }
  | { readonly kind: "file"; readonly file: SourceFile }
  | { readonly kind: "value"; readonly name: string; readonly value: Value; readonly place: Place }
  | { readonly kind: "unknown" };

const UNKNOWN: Origin = { kind: "unknown" };

export class Verdicts {
  readonly #files: SourceFiles;
  readonly #roots: readonly string[];
  #lookUps = 0;

  /** `roots`: the folders where absolute imports of the project's own modules may begin. */
  constructor(files: SourceFiles, roots: readonly string[]) {
    this.#files = files;
    this.#roots = roots;
  }

  /** What a name of the module's top level is. */
  ofName(file: SourceFile, name: string): Verdict {
    return this.#ofName(name, topOf(file));
  }

  /** A function that may be called without arguments and returns an application, or may do so; null: the name is none. */
  factory(file: SourceFile, name: string): { is: string; needsArguments: boolean } | null {
    const place = topOf(file);
    const values = this.#lookUp(name, place);
    const value = values?.at(-1);
    if (value === undefined) return null;
    const found =
      value.kind === "import"
        ? this.#followImport(value, place)
        : ({ kind: "value", name, value, place } as const);
    if (found.kind !== "value" || found.value.kind !== "function") return null;
    const { isAsync, parameters, body, annotation } = found.value;
    if (isAsync || body().isGenerator) return null;
    const result = this.#ofResult(found.value, found.place);
    const mayBe = FACTORIES.has(name) && (body().results.length > 0 || annotation !== null);
    if (result.grade !== "application" && !(mayBe && result.grade === "possible")) return null;
    return { is: result.is, needsArguments: parameters.required > 0 };
  }

  /** What made the applications that are arguments of other applications, such as those of `mount`. */
  innerOrigins(file: SourceFile): ReadonlySet<object> {
    const place = topOf(file);
    const inner = new Set<object>();
    for (const call of file.module.calls()) {
      const { callee } = call;
      const isMount =
        callee.kind === "attribute" &&
        /^(?:mount|host|add_route|add_app|register_app)$/.test(callee.name);
      if (!isMount && !this.#wraps(call, place)) continue;
      for (const argument of argumentsOf(call)) {
        const verdict = this.#of(argument, place);
        if (verdict.grade === "application") inner.add(verdict.origin);
      }
    }
    return inner;
  }

  #wraps({ callee }: Call, place: Place): boolean {
    const origin = this.#originOf(callee, place);
    if (origin.kind !== "outside")
      return lastName(callee) !== null && WRAPPER.test(lastName(callee) ?? "");
    return APPLICATIONS.has(origin.name) || WRAPPER.test(origin.name);
  }

  #ofName(name: string, place: Place): Verdict {
    if (place.steps > MAX_STEPS) return NONE;
    const values = this.#lookUp(name, place) ?? [];
    const verdicts = values.map((value) => this.#ofValue(name, value, deeper(place)));
    return best(verdicts);
  }

  #ofValue(name: string, value: Value, place: Place): Verdict {
    if (value.kind === "function") return ofFunction(value);
    if (value.kind === "class") return this.#ofClassItself(value);
    if (value.kind === "import") {
      const origin = this.#followImport(value, place);
      if (origin.kind === "value") {
        const { file } = origin.place;
        return file === place.file
          ? NONE
          : this.#ofName(origin.name, { ...topOf(file), steps: place.steps + 1 });
      }
      // An object of an installed package. A class or a function of a framework is none.
      if (origin.kind !== "outside" || value.name === null) return NONE;
      if (APPLICATIONS.has(origin.name) || /^[A-Z]/.test(value.name)) return NONE;
      return { grade: "possible", is: `object of ${value.module}`, origin: value };
    }
    // `app = Wrapper(app)`: on the right side stands the value before.
    const before: Names = new Map([[name, value.before]]);
    return this.#of(value.expression, { ...place, names: [before, ...place.names] });
  }

  #of(expression: Expression, place: Place): Verdict {
    if (place.steps > MAX_STEPS) return NONE;
    const next = deeper(place);
    if (expression.kind === "name") return this.#ofName(expression.name, next);
    if (expression.kind === "call") return this.#ofCall(expression, next);
    if (expression.kind === "either")
      return best(expression.options.map((one) => this.#of(one, next)));
    if (expression.kind === "attribute") return this.#ofAttribute(expression, next);
    if (expression.kind === "lambda")
      return ofCallable(expression.parameters.required, null, expression);
    return expression.kind === "item" || expression.kind === "other"
      ? { grade: "possible", is: "object", origin: expression }
      : NONE;
  }

  #ofAttribute(expression: Expression & { kind: "attribute" }, place: Place): Verdict {
    const origin = this.#originOf(expression, place);
    if (origin.kind === "value" && origin.place.file !== place.file)
      return this.#ofName(origin.name, { ...topOf(origin.place.file), steps: place.steps });
    if (origin.kind === "module") return NONE;
    const of = this.#of(expression.of, place);
    if (of.grade === "application" && of.attribute === expression.name)
      return { ...of, attribute: "" };
    return /^(?:app|application|api|server|wsgi_app|asgi_app|asgi|wsgi)$/.test(expression.name)
      ? { grade: "possible", is: "object", origin: expression }
      : NONE;
  }

  #ofCall(call: Call, place: Place): Verdict {
    const { callee } = call;
    const origin = this.#originOf(callee, place);
    if (origin.kind === "outside") {
      const known = APPLICATIONS.get(origin.name);
      if (known !== undefined) return { grade: "application", ...known, origin: call };
      const why = strangerWords(origin.name);
      if (why !== null) return { grade: "stranger", why };
    }
    if (origin.kind === "value") {
      const { value } = origin;
      const next = { ...origin.place, steps: place.steps };
      if (value.kind === "function") return this.#ofMade(value, next, call);
      if (value.kind === "class") return this.#ofInstance(value, next, call);
    }
    const method = callee.kind === "attribute" ? METHODS.get(callee.name) : undefined;
    if (method !== undefined)
      return { grade: "application", is: method, attribute: "", origin: call };
    const inner = WRAPPER.test(lastName(callee) ?? "")
      ? best(argumentsOf(call).map((one) => this.#of(one, place)))
      : NONE;
    if (inner.grade === "application")
      return { grade: "application", is: inner.is, attribute: "", origin: call };
    return { grade: "possible", is: "object", origin: call };
  }

  #ofMade(value: FunctionValue, place: Place, call: Call): Verdict {
    const result = this.#ofResult(value, place);
    return result.grade === "application" || result.grade === "possible"
      ? { ...result, origin: call }
      : result;
  }

  /** What a function returns. */
  #ofResult(value: FunctionValue, place: Place): Verdict {
    const { names, results, isGenerator } = value.body();
    if (value.isAsync || isGenerator) return NONE;
    const next = { ...deeper(place), names: [names, ...place.names.slice(-1)] };
    if (next.steps > MAX_STEPS) return NONE;
    const origin = value.annotation === null ? UNKNOWN : this.#originOf(value.annotation, next);
    const known = origin.kind === "outside" ? APPLICATIONS.get(origin.name) : undefined;
    if (known !== undefined) return { grade: "application", ...known, origin: value };
    return best(results.map((one) => this.#of(one, next)));
  }

  /** An object of a class of the project. */
  #ofInstance(value: ClassValue, place: Place, call: object): Verdict {
    const method = value.method("__call__");
    const own = method === null ? NONE : ofCallable(method.required - 1, null, call);
    if (own.grade === "application") return own;
    let isKnown = true;
    for (const base of value.bases) {
      const origin = this.#originOf(base, place);
      if (origin.kind === "outside") {
        const known = APPLICATIONS.get(origin.name);
        if (known !== undefined) return { grade: "application", ...known, origin: call };
        const why = strangerWords(origin.name);
        if (why !== null) return { grade: "stranger", why };
        isKnown = false;
      } else if (origin.kind === "value" && origin.value.kind === "class") {
        if (place.steps > MAX_STEPS) return NONE;
        const inherited = this.#ofInstance(
          origin.value,
          deeper({ ...origin.place, steps: place.steps }),
          call,
        );
        if (inherited.grade !== "none") return inherited;
      } else isKnown = false;
    }
    return isKnown && method === null ? NONE : { grade: "possible", is: "object", origin: call };
  }

  /** A class that is itself the application (PEP 3333): `__init__(self, environ, start_response)`. */
  #ofClassItself(value: ClassValue): Verdict {
    return value.method("__init__")?.required === 3
      ? { grade: "application", is: "WSGI class", attribute: "", origin: value }
      : NONE;
  }

  /** What an expression names: something outside of the project by its full name, or a value of a file. */
  #originOf(expression: Expression, place: Place): Origin {
    if (place.steps > MAX_STEPS) return UNKNOWN;
    const next = deeper(place);
    if (expression.kind === "name") return this.#originOfName(expression.name, next);
    if (expression.kind !== "attribute") return UNKNOWN;
    const of = this.#originOf(expression.of, next);
    if (of.kind === "outside") return { kind: "outside", name: `${of.name}.${expression.name}` };
    if (of.kind !== "file") return UNKNOWN;
    return this.#originOfName(expression.name, { ...topOf(of.file), steps: next.steps });
  }

  #originOfName(name: string, place: Place): Origin {
    const value = this.#lookUp(name, place)?.at(-1);
    if (value === undefined) return UNKNOWN;
    if (value.kind === "import") return this.#followImport(value, deeper(place));
    if (value.kind === "expression" && ["name", "attribute"].includes(value.expression.kind)) {
      const alias = this.#originOf(value.expression, deeper(place));
      if (alias.kind !== "unknown") return alias;
    }
    return { kind: "value", name, value, place };
  }

  #lookUp(name: string, place: Place): readonly Value[] | undefined {
    this.#lookUps += 1;
    if (this.#lookUps > MAX_LOOK_UPS) return undefined;
    for (const names of place.names) {
      const values = names.get(name);
      if (values !== undefined) return values;
    }
    if (place.steps > MAX_STEPS) return undefined;
    for (const star of place.file.module.stars) {
      const [file] = this.#filesOf(star, place.file);
      const values =
        file === undefined || file === place.file
          ? undefined
          : this.#lookUp(name, { ...topOf(file), steps: place.steps + 1 });
      // As an import of the name, so that it is judged where it stands.
      if (values !== undefined) return [{ kind: "import", ...star, name }];
    }
    return undefined;
  }

  #followImport(value: ImportValue, place: Place): Origin {
    if (place.steps > MAX_STEPS) return UNKNOWN;
    const [file] = this.#filesOf(value, place.file);
    const { name } = value;
    if (name === null) {
      if (file !== undefined) return { kind: "file", file };
      return this.#isOurs(value, place.file)
        ? { kind: "module" }
        : { kind: "outside", name: value.module };
    }
    if (file !== undefined && file !== place.file) {
      const origin = this.#originOfName(name, { ...topOf(file), steps: place.steps + 1 });
      if (origin.kind !== "unknown") return origin;
    }
    const below = { ...value, module: [value.module, name].filter((one) => one !== "").join(".") };
    const [submodule] = this.#filesOf(below, place.file);
    if (submodule !== undefined) return { kind: "file", file: submodule };
    if (this.#isOurs(below, place.file)) return { kind: "module" };
    if (value.level > 0 || file !== undefined || this.#isOurs(value, place.file)) return UNKNOWN;
    return { kind: "outside", name: `${value.module}.${name}` };
  }

  #filesOf(value: Pick<ImportValue, "level" | "module">, from: SourceFile): SourceFile[] {
    for (const root of this.#rootsOf(value, from))
      for (const path of filesOfModule(root, value.module)) {
        const file = this.#files.read(path);
        if (file !== null) return [file];
      }
    return [];
  }

  #isOurs(value: Pick<ImportValue, "level" | "module">, from: SourceFile): boolean {
    return this.#rootsOf(value, from).some(
      (root) => value.module !== "" && isModule(root, value.module),
    );
  }

  #rootsOf({ level }: Pick<ImportValue, "level">, from: SourceFile): readonly string[] {
    let folder = dirname(from.path);
    if (level > 0) return [join(folder, "../".repeat(Math.min(level - 1, MAX_STEPS)))];
    for (let step = 0; step < MAX_STEPS && isPackage(folder); step += 1) folder = dirname(folder);
    return [folder, ...this.#roots];
  }
}

function topOf(file: SourceFile): Place {
  return { file, names: [file.module.names], steps: 0 };
}

function deeper(place: Place): Place {
  return { ...place, steps: place.steps + 1 };
}

/** The one of the best grade; of several the last. */
function best(verdicts: readonly Verdict[]): Verdict {
  for (const grade of GRADES) {
    const found = verdicts.findLast((one) => one.grade === grade);
    if (found !== undefined) return found;
  }
  return NONE;
}

function ofFunction(value: FunctionValue): Verdict {
  return ofCallable(value.parameters.required, value.isAsync, value);
}

/** A callable of two arguments speaks WSGI, an asynchronous one of three ASGI. `isAsync`: null: not known. */
function ofCallable(required: number, isAsync: boolean | null, origin: object): Verdict {
  if (required === 2 && isAsync !== true)
    return { grade: "application", is: "WSGI callable", attribute: "", origin };
  if (required === 3 && isAsync !== false)
    return { grade: "application", is: "ASGI callable", attribute: "", origin };
  return NONE;
}

function argumentsOf({ positional, keywords }: Call): Expression[] {
  return [...positional, ...keywords.values()].flatMap((one) =>
    one.kind === "literal" ? [one, ...one.parts] : [one],
  );
}

function lastName(expression: Expression): string | null {
  return expression.kind === "name" || expression.kind === "attribute" ? expression.name : null;
}
