// Expressions of Python as plain data, from the tree of @lezer/python. Only the forms that discovery has a use for have
// a kind of their own; every other form is "other". Pure: nothing is evaluated here.

import type { SyntaxNode } from "./python-parser.ts";

/** Deeper parts of an expression are "other". */
const MAX_DEPTH = 40;
/** Elements of a list and the like that are looked at. */
const MAX_PARTS = 200;

export type Expression =
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "attribute"; readonly of: Expression; readonly name: string }
  | Call
  | { readonly kind: "string"; readonly text: string }
  /** `a / b`, `a + b`, `a - b`. */
  | {
      readonly kind: "operation";
      readonly operator: string;
      readonly left: Expression;
      readonly right: Expression;
    }
  /** One of several: `a or b`; with a test `a if test else b`. */
  | { readonly kind: "either"; readonly options: readonly Expression[]; readonly hasTest: boolean }
  | { readonly kind: "item"; readonly of: Expression; readonly index: Expression }
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "lambda"; readonly parameters: Parameters }
  /** A value without a text; `parts`: the elements of a list, a tuple, a set or a dictionary. */
  | { readonly kind: "literal"; readonly parts: readonly Expression[] }
  | { readonly kind: "other" };

export interface Call {
  readonly kind: "call";
  readonly callee: Expression;
  readonly positional: readonly Expression[];
  readonly keywords: ReadonlyMap<string, Expression>;
}

/** How many arguments a call must give, and how many positional ones it may give. */
export interface Parameters {
  readonly required: number;
  readonly positional: number;
}

const OTHER: Expression = { kind: "other" };
const LITERAL: Expression = { kind: "literal", parts: [] };
type Inner = (node: SyntaxNode | null) => Expression;
type NodeReader = (node: SyntaxNode, source: string, inner: Inner) => Expression;

const readLiteral: NodeReader = () => LITERAL;
const readCollection: NodeReader = (node, _, inner) => ({
  kind: "literal",
  parts: childrenOf(node).slice(0, MAX_PARTS).map(inner),
});
const readCall: NodeReader = (node, source, inner) => ({
  kind: "call",
  callee: inner(node.firstChild),
  ...readArguments(node.lastChild, source, inner),
});
const readMember: NodeReader = (node, source, inner) => {
  const of = inner(node.firstChild);
  const property = node.getChild("PropertyName");
  if (property !== null) return { kind: "attribute", of, name: textOf(property, source) };
  const [, bracket, index = null] = childrenOf(node);
  return bracket?.name === "[" ? { kind: "item", of, index: inner(index) } : OTHER;
};
const readConditional: NodeReader = (node, _, inner) => {
  const [yes = null, , , , no = null] = childrenOf(node);
  return { kind: "either", options: [inner(yes), inner(no)], hasTest: true };
};
const readBinary: NodeReader = (node, source, inner) => {
  const [left = null, sign, right = null] = childrenOf(node);
  const operator = sign === undefined ? "" : textOf(sign, source);
  return operator === "or"
    ? { kind: "either", options: [inner(left), inner(right)], hasTest: false }
    : { kind: "operation", operator, left: inner(left), right: inner(right) };
};

/** By the names that the grammar of @lezer/python has for them. */
const READERS: ReadonlyMap<string, NodeReader> = new Map<string, NodeReader>([
  ["VariableName", (node, source) => ({ kind: "name", name: textOf(node, source) })],
  ["String", (node, source) => readString(textOf(node, source))],
  ["ContinuedString", (node, _, inner) => readJoined(childrenOf(node).map(inner))],
  ["Number", (node, source) => ({ kind: "number", value: Number(textOf(node, source)) })],
  ["Boolean", readLiteral],
  ["None", readLiteral],
  ["FormatString", readLiteral],
  ["ArrayComprehensionExpression", readLiteral],
  ["DictionaryComprehensionExpression", readLiteral],
  ["SetComprehensionExpression", readLiteral],
  ["ArrayExpression", readCollection],
  ["DictionaryExpression", readCollection],
  ["SetExpression", readCollection],
  ["TupleExpression", readCollection],
  ["ParenthesizedExpression", (node, _, inner) => inner(node.firstChild?.nextSibling ?? null)],
  ["NamedExpression", (node, _, inner) => inner(node.lastChild)],
  ["MemberExpression", readMember],
  ["CallExpression", readCall],
  ["ConditionalExpression", readConditional],
  ["BinaryExpression", readBinary],
  [
    "LambdaExpression",
    (node) => ({ kind: "lambda", parameters: readParameters(node.getChild("ParamList")) }),
  ],
]);

/** The expression at a node of the tree. */
export function readExpression(node: SyntaxNode | null, source: string, depth = 0): Expression {
  const read = depth > MAX_DEPTH ? undefined : READERS.get(node?.name ?? "");
  if (node === null || read === undefined) return OTHER;
  return read(node, source, (one) => readExpression(one, source, depth + 1));
}

/** The parameters of a function. */
export function readParameters(list: SyntaxNode | null): Parameters {
  let required = 0;
  let positional = 0;
  let isPositional = true;
  const children = list === null ? [] : childrenOf(list);
  children.forEach((child, at) => {
    const before = children[at - 1]?.name;
    if (child.name === "*") isPositional = false;
    if (child.name !== "VariableName" || before === "AssignOp") return;
    if (before === "*" || before === "**") return;
    const after = children[at + 1]?.name === "TypeDef" ? at + 2 : at + 1;
    if (children[after]?.name !== "AssignOp") required += 1;
    if (isPositional) positional += 1;
  });
  return { required, positional };
}

/** The children of a node. */
export function childrenOf(node: SyntaxNode): SyntaxNode[] {
  const children: SyntaxNode[] = [];
  for (let child = node.firstChild; child !== null; child = child.nextSibling) children.push(child);
  return children;
}

export function textOf({ from, to }: SyntaxNode, source: string): string {
  return source.slice(from, to);
}

function readArguments(
  list: SyntaxNode | null,
  source: string,
  inner: Inner,
): Pick<Call, "positional" | "keywords"> {
  const positional: Expression[] = [];
  const keywords = new Map<string, Expression>();
  let group: SyntaxNode[] = [];
  const end = (): void => {
    const [first, sign, value = null] = group;
    if (first?.name === "VariableName" && sign?.name === "AssignOp")
      keywords.set(textOf(first, source), inner(value));
    else if (first !== undefined)
      positional.push(first.name === "*" || first.name === "**" ? OTHER : inner(first));
    group = [];
  };
  for (const child of list?.name === "ArgList" ? childrenOf(list).slice(1) : []) {
    if (child.name !== "," && child.name !== ")") group.push(child);
    else end();
  }
  end();
  return { positional, keywords };
}

const STRING = /^([A-Za-z]*)('''|"""|'|")([\s\S]*)\2$/;
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", "\n": "" };

/** A string without the rarer escapes; one that has them, or bytes, is a literal without a known text. */
function readString(text: string): Expression {
  const [, prefix = "", , body = ""] = STRING.exec(text) ?? [];
  if (!STRING.test(text) || /[bf]/i.test(prefix)) return LITERAL;
  if (/r/i.test(prefix)) return { kind: "string", text: body };
  if (/\\[^'"\\ntr\n]/.test(body)) return LITERAL;
  return {
    kind: "string",
    text: body.replaceAll(/\\([\s\S])/g, (_, one: string) => ESCAPES[one] ?? one),
  };
}

function readJoined(parts: readonly Expression[]): Expression {
  const texts = parts.flatMap((one) => (one.kind === "string" ? [one.text] : []));
  return texts.length === parts.length ? { kind: "string", text: texts.join("") } : LITERAL;
}
