// What a CGI program is started with: its environment (meta-variables, RFC 3875 §4.1) and its arguments (§4.4). Pure.
// The environment is made from this list and the operator's own variables; none of the server's own is in it. All
// texts are bytes, one character (latin-1) a byte.

import type { Exchange } from "../http/exchange.ts";
import { protocolOf, type RequestHead } from "../http/message.ts";
import { hostNameOf } from "../net/host-name.ts";
import { tlsVariables } from "./tls-variables.ts";

/**
 * Bytes of the environment and the arguments of a program, with the ends of their strings. Linux takes as much in one
 * text, and 2 MiB in all, as usual.
 */
export const MAX_ENVIRONMENT_BYTES = 131_072;

/** Apache's suexec has the same path. */
const PATH = "/usr/local/bin:/usr/bin:/bin";

/** Names that become variables; Apache leaves out all others as well. "_" would stand for "-". */
const FIELD_NAME = /^[a-z0-9-]+$/;

/**
 * Fields that become no variable of this kind: those with a variable of their own, those of the connection with a
 * proxy, a password for a proxy, and Proxy, because programs read HTTP_PROXY as a setting.
 */
const NO_HTTP_VARIABLE: ReadonlySet<string> = new Set([
  "authorization",
  "content-length",
  "content-type",
  "proxy",
  "proxy-authorization",
  "transfer-encoding",
  "x-request-id",
]);

/** Where a program is. */
export interface ProgramLocation {
  /** Absolute path of its file. */
  readonly file: string;
  /** Absolute: the folder of programs, or the folder of the one program of a route. */
  readonly root: string;
  /** The part of the canonical path that names the program; "" = "/" names it. */
  readonly scriptName: string;
  /** The rest of the canonical path: "" or "/…". */
  readonly pathInfo: string;
}

export interface VariableOptions {
  readonly software: string;
  readonly passesAuthorization: boolean;
  /** In place of the request's variables of these names. */
  readonly env: Readonly<Record<string, string>>;
}

/** The environment of a program. `bodyBytes`: of the body, received whole. */
export function programVariables(
  exchange: Exchange,
  location: ProgramLocation,
  bodyBytes: number,
  options: VariableOptions,
): Record<string, string> {
  const head = exchange.effectiveHead;
  const variables: Record<string, string> = {
    PATH,
    GATEWAY_INTERFACE: "CGI/1.1",
    SERVER_SOFTWARE: options.software,
    SERVER_PROTOCOL: protocolOf(head),
    REQUEST_METHOD: head.method,
    REQUEST_URI: head.target,
    QUERY_STRING: head.query,
    SCRIPT_NAME: location.scriptName,
    SCRIPT_FILENAME: location.file,
    DOCUMENT_ROOT: location.root,
    HTTP_X_REQUEST_ID: exchange.requestId,
  };
  if (location.pathInfo !== "") {
    variables["PATH_INFO"] = location.pathInfo;
    variables["PATH_TRANSLATED"] = location.root + location.pathInfo;
  }
  if (head.bodyLength !== 0 || head.names.includes("content-length"))
    variables["CONTENT_LENGTH"] = String(bodyBytes);
  if (exchange.user !== "") {
    variables["AUTH_TYPE"] = "Basic";
    variables["REMOTE_USER"] = exchange.user;
  }
  if (exchange.redirects > 0) {
    variables["REDIRECT_STATUS"] = "200";
    variables["REDIRECT_URL"] = exchange.sentHead.path;
  }
  addConnection(variables, exchange);
  addFields(variables, head, options.passesAuthorization);
  Object.assign(variables, options.env);
  for (const [name, value] of Object.entries(variables))
    if (value.includes("\0")) delete variables[name];
  return variables;
}

function addConnection(variables: Record<string, string>, exchange: Exchange): void {
  const { effectiveHead: head, tls, remoteAddress, localAddress } = exchange;
  const isSecure = exchange.scheme === "https" || exchange.scheme === "wss";
  const host = hostNameOf(head.values[head.names.indexOf("host")] ?? "");
  const local = localAddress.includes(":") ? `[${localAddress}]` : localAddress;
  // A Unix socket has neither an address nor a port.
  const usualPort = isSecure ? "443" : "80";
  variables["SERVER_NAME"] = host || local || "localhost";
  variables["SERVER_PORT"] = exchange.localPort === 0 ? usualPort : String(exchange.localPort);
  variables["SERVER_ADDR"] = localAddress;
  variables["REMOTE_ADDR"] = remoteAddress;
  // RFC 3875 §4.1.9: the address, where no name is looked up.
  variables["REMOTE_HOST"] = remoteAddress;
  variables["REMOTE_PORT"] = exchange.remotePort === 0 ? "" : String(exchange.remotePort);
  variables["REQUEST_SCHEME"] = isSecure ? "https" : "http";
  if (isSecure) variables["HTTPS"] = "on";
  if (tls !== null) Object.assign(variables, tlsVariables(tls));
}

/** HTTP_… (RFC 3875 §4.1.18) and CONTENT_TYPE. Values of a repeated field are joined (RFC 9110 §5.3, RFC 6265 §5.4). */
function addFields(
  variables: Record<string, string>,
  { names, values }: RequestHead,
  passesAuthorization: boolean,
): void {
  for (const [index, name] of names.entries()) {
    const variable = variableOf(name, passesAuthorization);
    if (variable === null) continue;
    const before = variables[variable];
    const value = values[index] ?? "";
    const separator = name === "cookie" ? "; " : ", ";
    variables[variable] = before === undefined ? value : before + separator + value;
  }
}

function variableOf(name: string, passesAuthorization: boolean): string | null {
  if (name === "content-type") return "CONTENT_TYPE";
  if (name === "authorization" && passesAuthorization) return "HTTP_AUTHORIZATION";
  if (NO_HTTP_VARIABLE.has(name) || !FIELD_NAME.test(name)) return null;
  return `HTTP_${name.toUpperCase().replaceAll("-", "_")}`;
}

/**
 * The arguments of a program: the words of an indexed query (RFC 3875 §4.4), which has no "=". None where a word
 * would be read as an option.
 */
export function programArguments({ method, query }: RequestHead): readonly string[] {
  if ((method !== "GET" && method !== "HEAD") || query === "" || query.includes("=")) return [];
  const words = query.split("+").map((word) => word.replaceAll(/%([0-9A-Fa-f]{2})/g, decodeByte));
  return words.some((word) => word.startsWith("-") || word.includes("\0")) ? [] : words;
}

function decodeByte(_: string, digits: string): string {
  return String.fromCharCode(Number.parseInt(digits, 16));
}

/** Bytes that a process is started with, each string with its end. */
export function environmentBytes(
  variables: Readonly<Record<string, string>>,
  args: readonly string[],
): number {
  const ofArguments = args.reduce((sum, { length }) => sum + length + 1, 0);
  return Object.entries(variables).reduce(
    (sum, [name, value]) => sum + name.length + value.length + 2,
    ofArguments,
  );
}
