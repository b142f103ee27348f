// What a module of Python binds at its top level: names with their values in the order of the source, functions with
// their parameters and results, classes with their bases, imports. Pure: sees a source, knows no other file. Bodies of
// functions and classes are read when they are asked for: most never are, and they are most of a source.
//
//     app = Flask(__name__)            app ← call of Flask
//     if DEBUG: app = Wrapper(app)     app ← the call above, or call of Wrapper with the app above
//     if __name__ == "__main__": …     not bound: an import does not run it
//     if TYPE_CHECKING: …              not bound: no program runs it

import {
  childrenOf,
  readExpression,
  readParameters,
  textOf,
  type Call,
  type Expression,
  type Parameters,
} from "./expression.ts";
import { parsePython, type SyntaxNode } from "./python-parser.ts";

/** Blocks in blocks that are looked into. */
const MAX_BLOCKS = 50;

export interface FunctionValue {
  readonly kind: "function";
  readonly isAsync: boolean;
  readonly parameters: Parameters;
  readonly annotation: Expression | null;
  readonly body: () => FunctionBody;
}

interface FunctionBody {
  /** Whether it yields: its call returns no application. */
  readonly isGenerator: boolean;
  readonly names: Names;
  readonly results: readonly Expression[];
}

export interface ClassValue {
  readonly kind: "class";
  readonly bases: readonly Expression[];
  /** The parameters of a method, self included; null: the class has none of its own. */
  readonly method: (name: string) => Parameters | null;
}

/** `from module import name`, or `import module` with name null; `level`: the dots of a relative import. */
export interface ImportValue {
  readonly kind: "import";
  readonly level: number;
  readonly module: string;
  readonly name: string | null;
}

interface ExpressionValue {
  readonly kind: "expression";
  readonly expression: Expression;
  /** What the names of the expression had before this value. */
  readonly before: readonly Value[];
}

export type Value = ExpressionValue | FunctionValue | ClassValue | ImportValue;

/** Each name with the values that it may have at the end. */
export type Names = ReadonlyMap<string, readonly Value[]>;

export interface PythonModule {
  readonly names: Names;
  /** Names that only `if __name__ == "__main__":` binds. */
  readonly scriptNames: ReadonlySet<string>;
  /** `from module import *`. */
  readonly stars: readonly Pick<ImportValue, "level" | "module">[];
  /** Every module that is imported anywhere. */
  readonly imports: () => readonly Pick<ImportValue, "level" | "module">[];
  /** Every call, wherever it stands. */
  readonly calls: () => readonly Call[];
  /** `target["key"] = "text"` anywhere, as the texts of key and value. */
  readonly items: () => readonly (readonly [key: string, text: string])[];
}

/** Null: the source is nested too deeply. */
export function readPythonModule(source: string): PythonModule | null {
  const tree = parsePython(source);
  if (tree === null) return null;
  const scope = new Scope(source);
  scope.readBlock(tree.topNode, 0);
  const { names, scriptNames, stars } = scope;
  const top = tree.topNode;
  return {
    names,
    scriptNames,
    stars,
    imports: once(() => importsIn(top, source)),
    calls: once(() => callsIn(top, source)),
    items: once(() => itemsIn(top, source)),
  };
}

/** The result of `make`, made when it is asked for. */
function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => (made ??= { value: make() }).value;
}

class Scope {
  readonly names = new Map<string, readonly Value[]>();
  readonly scriptNames = new Set<string>();
  readonly stars: Pick<ImportValue, "level" | "module">[] = [];
  readonly #source: string;
  #isConditional = false;

  constructor(source: string) {
    this.#source = source;
  }

  readBlock(block: SyntaxNode, depth: number): void {
    if (depth > MAX_BLOCKS) return;
    for (const child of childrenOf(block)) this.#readStatement(child, depth);
  }

  #readStatement(node: SyntaxNode, depth: number): void {
    const { name } = node;
    if (name === "StatementGroup") this.readBlock(node, depth + 1);
    else if (name === "AssignStatement") this.#readAssignment(node);
    else if (name === "ImportStatement") this.#readImport(node);
    else if (name === "DeleteStatement")
      for (const one of node.getChildren("VariableName")) this.names.delete(this.#text(one));
    else if (name === "FunctionDefinition") this.#readFunction(node, depth);
    else if (name === "ClassDefinition") this.#readClass(node, depth);
    else if (name === "DecoratedStatement") this.#readDecorated(node, depth);
    else if (name === "ExpressionStatement") this.#readNamed(node.firstChild);
    else if (name === "IfStatement") this.#readIf(node, depth);
    else if (name === "WithStatement")
      for (const body of node.getChildren("Body")) this.readBlock(body, depth + 1);
    else if (/^(?:Try|For|While|Match)Statement$/.test(name))
      this.#conditionally(() => {
        const bodies = name === "MatchStatement" ? clausesOf(node) : node.getChildren("Body");
        for (const body of bodies) this.readBlock(body, depth + 1);
      });
  }

  #readAssignment(node: SyntaxNode): void {
    const children = childrenOf(node);
    const signs = children.filter((one) => one.name === "AssignOp");
    const last = signs.at(-1);
    // A name with a type and without a value.
    if (last === undefined) return;
    const given = children.filter((one) => one.from >= last.to && one.name !== ",");
    // Each once: `a = b = Flask()` is one object.
    const values = given.map((one) => readExpression(one, this.#source));
    let start = node.from;
    for (const sign of signs) {
      const targets = children.filter(
        ({ from, to, name }) =>
          from >= start && to <= sign.from && ![",", "TypeDef"].includes(name),
      );
      targets.forEach((target, at) => {
        const value = targets.length === values.length ? values[at] : undefined;
        if (target.name === "VariableName")
          this.#bindExpression(target, value ?? { kind: "other" });
      });
      start = sign.to;
    }
  }

  #readNamed(node: SyntaxNode | null): void {
    const inner = node?.name === "ParenthesizedExpression" ? node.firstChild?.nextSibling : node;
    const target = inner?.name === "NamedExpression" ? inner.firstChild : null;
    if (target !== null && inner)
      this.#bindExpression(target, readExpression(inner.lastChild, this.#source));
  }

  #bindExpression(target: SyntaxNode, expression: Expression): void {
    const name = this.#text(target);
    this.#bind(name, { kind: "expression", expression, before: this.names.get(name) ?? [] });
  }

  #readImport(node: SyntaxNode): void {
    const { level, module, names } = readImportParts(node, this.#source);
    if (names === null) {
      // `import a.b` binds a, `import a.b as c` binds c to the module a.b.
      for (const { name, as } of module)
        this.#bind(as ?? name.split(".")[0] ?? name, {
          kind: "import",
          level: 0,
          module: as === null ? (name.split(".")[0] ?? name) : name,
          name: null,
        });
      return;
    }
    const from = module[0]?.name ?? "";
    for (const { name, as } of names)
      if (name === "*") this.stars.push({ level, module: from });
      else this.#bind(as ?? name, { kind: "import", level, module: from, name });
  }

  #readFunction(node: SyntaxNode, depth: number): void {
    const name = node.getChild("VariableName");
    const body = node.getChild("Body");
    if (name === null) return;
    const source = this.#source;
    const annotation = node.getChild("TypeDef")?.lastChild ?? null;
    this.#bind(this.#text(name), {
      kind: "function",
      isAsync: node.getChild("async") !== null,
      parameters: readParameters(node.getChild("ParamList")),
      annotation: annotation === null ? null : readExpression(annotation, source),
      body: once(() => {
        const inside = new Scope(source);
        if (body === null || depth >= MAX_BLOCKS) return NO_BODY;
        inside.readBlock(body, depth + 1);
        return { names: inside.names, ...resultsOf(body, source) };
      }),
    });
  }

  #readClass(node: SyntaxNode, depth: number): void {
    const name = node.getChild("VariableName");
    if (name === null) return;
    const source = this.#source;
    const methods = once(() => {
      const inside = new Scope(source);
      const body = node.getChild("Body");
      if (body !== null) inside.readBlock(body, depth + 1);
      return inside.names;
    });
    const bases = childrenOf(node.getChild("ArgList") ?? name).filter((one) =>
      ["VariableName", "MemberExpression"].includes(one.name),
    );
    this.#bind(this.#text(name), {
      kind: "class",
      bases: bases.map((one) => readExpression(one, source)),
      method: (wanted) => {
        const one = methods().get(wanted)?.at(-1);
        return one?.kind === "function" ? one.parameters : null;
      },
    });
  }

  // A decorator may return something else; the usual ones of functions and classes return their like.
  #readDecorated(node: SyntaxNode, depth: number): void {
    for (const child of childrenOf(node))
      if (child.name !== "Decorator") this.#readStatement(child, depth);
  }

  #readIf(node: SyntaxNode, depth: number): void {
    const bodies = node.getChildren("Body");
    const tests = conditionsOf(node).map((one) => this.#text(one));
    const isScript = tests.findIndex((one) => /^\(?__name__\s*==\s*['"]__main__['"]\)?$/.test(one));
    const isTyping = tests.findIndex((one) => /^(?:\w+\.)?TYPE_CHECKING$/.test(one));
    const skipped = isScript === -1 ? isTyping : isScript;
    if (isScript !== -1) this.#readScript(bodies[isScript], depth);
    const others = bodies.filter((_, at) => at !== skipped);
    // The rest of `if TYPE_CHECKING:` is what a program runs.
    const read = (): void => {
      for (const body of others) this.readBlock(body, depth + 1);
    };
    if (skipped !== -1 && others.length === 1) read();
    else this.#conditionally(read);
  }

  #readScript(body: SyntaxNode | undefined, depth: number): void {
    if (body === undefined) return;
    const inside = new Scope(this.#source);
    inside.readBlock(body, depth + 1);
    for (const name of inside.names.keys()) this.scriptNames.add(name);
  }

  #conditionally(read: () => void): void {
    const outer = this.#isConditional;
    this.#isConditional = true;
    read();
    this.#isConditional = outer;
  }

  #bind(name: string, value: Value): void {
    const known = this.#isConditional ? (this.names.get(name) ?? []) : [];
    this.names.set(name, [...known.slice(-MAX_VALUES), value]);
  }

  #text(node: SyntaxNode): string {
    return textOf(node, this.#source);
  }
}

/** Values of one name that are kept. */
const MAX_VALUES = 8;

const NO_BODY: FunctionBody = { names: new Map(), results: [], isGenerator: false };

interface ImportedName {
  readonly name: string;
  readonly as: string | null;
}

/** `names`: null for `import …`, whose modules are in `module`. */
function readImportParts(
  node: SyntaxNode,
  source: string,
): { level: number; module: ImportedName[]; names: ImportedName[] | null } {
  let level = 0;
  const module: ImportedName[] = [];
  const names: ImportedName[] = [];
  let into = module;
  let isFrom = false;
  let path = "";
  let as: string | null = null;
  let isAlias = false;
  const end = (): void => {
    if (path !== "") into.push({ name: path, as });
    path = "";
    as = null;
    isAlias = false;
  };
  for (const child of childrenOf(node)) {
    const text = textOf(child, source);
    if (text === "from") isFrom = true;
    else if (text === "import") {
      end();
      if (isFrom) into = names;
    } else if (text === "as") isAlias = true;
    else if (text === ",") end();
    else if (isFrom && into === module && path === "" && /^\.+$/.test(text)) level += text.length;
    else if (child.name === "VariableName" && isAlias) as = text;
    else if (child.name === "VariableName" || text === "." || text === "*") path += text;
  }
  end();
  return { level, module, names: isFrom ? names : null };
}

/** The conditions of `if` and each `elif`. */
function conditionsOf(node: SyntaxNode): SyntaxNode[] {
  const children = childrenOf(node);
  return children.flatMap((child, at) => {
    const condition = children[at + 1];
    const isTest = child.name === "if" || child.name === "elif";
    return isTest && condition !== undefined ? [condition] : [];
  });
}

function clausesOf(node: SyntaxNode): SyntaxNode[] {
  const clauses = node.getChild("MatchBody")?.getChildren("MatchClause") ?? [];
  return clauses.flatMap((one) => one.getChildren("Body"));
}

/** Calls `read` for a node and those in it, but for those in a node that it returns false for. */
function visit(
  node: SyntaxNode,
  read: (at: Pick<SyntaxNode, "name" | "node">) => boolean | undefined,
): void {
  try {
    node.cursor().iterate(read);
  } catch (error) {
    // The library loses its way in the trees of some sources that are no Python.
    if (!(error instanceof TypeError)) throw error;
  }
}

/** What a function returns; functions in it return for themselves. */
function resultsOf(
  body: SyntaxNode,
  source: string,
): { results: Expression[]; isGenerator: boolean } {
  const results: Expression[] = [];
  let isGenerator = false;
  visit(body, (at) => {
    const { name } = at;
    if (name === "YieldStatement" || name === "YieldExpression") isGenerator = true;
    if (name === "ReturnStatement" && results.length < MAX_VALUES)
      results.push(readExpression(at.node.firstChild?.nextSibling ?? null, source));
    return !["FunctionDefinition", "ClassDefinition", "LambdaExpression"].includes(name);
  });
  return { results, isGenerator };
}

/** Calls of one module that are looked at. */
const MAX_CALLS = 5000;

function callsIn(top: SyntaxNode, source: string): Call[] {
  const calls: Call[] = [];
  visit(top, (at) => {
    if (at.name !== "CallExpression" || calls.length >= MAX_CALLS) return;
    const call = readExpression(at.node, source);
    if (call.kind === "call") calls.push(call);
  });
  return calls;
}

function importsIn(top: SyntaxNode, source: string): Pick<ImportValue, "level" | "module">[] {
  const imports: Pick<ImportValue, "level" | "module">[] = [];
  visit(top, (at) => {
    if (at.name !== "ImportStatement") return;
    const { level, module, names } = readImportParts(at.node, source);
    // `from . import x` may import the module x.
    const modules = module.length === 0 ? (names ?? []) : module;
    for (const { name } of modules) imports.push({ level, module: name });
  });
  return imports;
}

function itemsIn(top: SyntaxNode, source: string): [string, string][] {
  const items: [string, string][] = [];
  visit(top, (at) => {
    if (at.name !== "AssignStatement") return;
    const { firstChild, lastChild } = at.node;
    const target = readExpression(firstChild, source);
    const value = readExpression(lastChild, source);
    if (target.kind === "item" && target.index.kind === "string" && value.kind === "string")
      items.push([target.index.text, value.text]);
  });
  return items;
}
