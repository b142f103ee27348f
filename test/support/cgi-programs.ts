// Servers of the same CGI programs for tests: Apache as the reference, and Typhon with warm and with cold programs.
// As root the programs of all of them run as www-data, else as the user of the tests. The programs of
// test/conformance/others/cgi-bin are in a folder that this user may read.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, cpSync, readFileSync, writeFileSync } from "node:fs";
import { request, type OutgoingHttpHeaders } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";

import {
  APACHE,
  apacheConfiguration,
  apacheWords,
  LIGHTTPD,
  lighttpdConfiguration,
  lighttpdWords,
  type CgiPlace,
} from "./cgi-servers.ts";
import { PATIENCE_MS, until, within } from "./deadline.ts";
import { CHECKOUT, makeScratch, type Scope } from "./scratch.ts";
import { startTyphon } from "./typhon.ts";

const PROGRAMS = join(CHECKOUT, "test/conformance/others/cgi-bin");
/** That of Debian, which hgweb and the programs' shebangs name too. */
const PYTHON = "/usr/bin/python3";
/** Debian's user for web servers. */
const WEB_USER = { name: "www-data", id: 33 };
const IS_ROOT = process.getuid?.() === 0;

const DEBIAN = { python: PYTHON, user: IS_ROOT ? WEB_USER.name : null };

export interface CgiServer {
  readonly name: string;
  readonly port: number;
  readLog(): string;
}

/** Starts one server of these places. */
export type StartCgi = (scope: Scope, places: readonly CgiPlace[]) => Promise<CgiServer>;

export const startApache: StartCgi = (scope, places) =>
  startReference(scope, { name: "apache", command: APACHE, places });
export const startLighttpd: StartCgi = (scope, places) =>
  startReference(scope, { name: "lighttpd", command: LIGHTTPD, places });
export const startWarm: StartCgi = (scope, places) =>
  startTyphonCgi(scope, { places, warm: "auto", ...DEBIAN });
export const startCold: StartCgi = (scope, places) =>
  startTyphonCgi(scope, { places, warm: "off", ...DEBIAN });

/** A folder that the programs' user may enter. */
export function makeOpenFolder(scope: Scope): string {
  const folder = makeScratch(scope);
  chmodSync(folder, 0o755);
  return folder;
}

/** Gives a file or a folder with all that is in it to the programs' user. */
export function giveToPrograms(path: string): void {
  if (IS_ROOT) execFileSync("chown", ["-R", WEB_USER.name, path]);
}

/** The programs of the tests in a folder of their own, that in C built. */
export function makePrograms(scope: Scope): string {
  const folder = join(makeOpenFolder(scope), "cgi-bin");
  cpSync(PROGRAMS, folder, { recursive: true });
  execFileSync("cc", ["-O1", "-o", join(folder, "hello.cgi"), join(folder, "hello.c")]);
  return folder;
}

export function folderPlace(path: string, place: string, env: CgiPlace["env"] = {}): CgiPlace {
  return { path, place, isFolder: true, env };
}

export function programPlace(path: string, place: string, env: CgiPlace["env"] = {}): CgiPlace {
  return { path, place, isFolder: false, env };
}

interface Reference {
  readonly name: "apache" | "lighttpd";
  readonly command: string;
  readonly places: readonly CgiPlace[];
}

async function startReference(
  scope: Scope,
  { name, command, places }: Reference,
): Promise<CgiServer> {
  const folder = makeOpenFolder(scope);
  // The server makes its log as root, and the programs' user its temporary files.
  if (IS_ROOT) chownSync(folder, WEB_USER.id, WEB_USER.id);
  const port = await findFreePort();
  const service = { port, folder, places, user: IS_ROOT ? WEB_USER.name : null };
  const isApache = name === "apache";
  const text = isApache ? apacheConfiguration(service) : lighttpdConfiguration(service);
  writeFileSync(join(folder, `${name}.conf`), text);
  const words = isApache ? apacheWords(service) : lighttpdWords(service);
  const child = spawn(command, words, { stdio: "ignore", detached: true });
  const ended = once(child, "exit");
  scope.after(async () => {
    child.kill("SIGTERM");
    await within(PATIENCE_MS, ended, `the end of ${name}`).finally(() => child.kill("SIGKILL"));
  });
  const readLog = (): string => readFileSync(join(folder, `${name}.log`), "utf8");
  const isUp = async (): Promise<boolean> => {
    assert.equal(child.exitCode, null, `${name} ended`);
    return await ask({ name, port, readLog }, { path: "/" }).then(
      () => true,
      () => false,
    );
  };
  await until(`${name} answers`, isUp);
  return { name, port, readLog };
}

export interface TyphonOrder {
  readonly places: readonly CgiPlace[];
  readonly warm: "auto" | "off";
  /** The interpreter of the launcher. */
  readonly python: string;
  /** Whom the programs run as; null: as the user of the tests. */
  readonly user: string | null;
}

export async function startTyphonCgi(
  scope: Scope,
  { places, warm, python, user }: TyphonOrder,
): Promise<CgiServer> {
  const folder = makeOpenFolder(scope);
  const routes = places.flatMap(({ path, place, env }) => [
    "[[routes]]",
    `path = ${JSON.stringify(path)}`,
    `cgi = ${JSON.stringify(place)}`,
    `cgi-env = { ${Object.entries(env)
      .map(([key, value]) => `${key} = ${JSON.stringify(value)}`)
      .join(", ")} }`,
  ]);
  const options = [
    `bind = "127.0.0.1:0"`,
    `python = "${python}"`,
    `cgi-warm = "${warm}"`,
    ...(user === null ? [] : [`user = "${user}"`]),
  ];
  writeFileSync(join(folder, "typhon.toml"), [...options, ...routes, ""].join("\n"));
  const typhon = await startTyphon(scope, [], { cwd: folder, defaults: false });
  const name = warm === "auto" ? "typhon, warm" : "typhon, cold";
  return { name, port: typhon.port, readLog: () => typhon.output.all };
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  assert(address !== null && typeof address === "object");
  return address.port;
}

export interface CgiAsk {
  readonly path: string;
  /** Default: GET, or POST with a body. */
  readonly method?: string;
  readonly fields?: OutgoingHttpHeaders;
  readonly body?: Buffer | string;
}

export interface CgiAnswer {
  readonly status: number;
  /** Each "name: value", the names in lower case, sorted. */
  readonly fields: readonly string[];
  readonly body: Buffer;
}

/** One request on a connection of its own. Its Host is the same for all servers. */
export async function ask(server: CgiServer, asked: CgiAsk): Promise<CgiAnswer> {
  const { path, body, method = body === undefined ? "GET" : "POST", fields = {} } = asked;
  const { promise, resolve, reject } = Promise.withResolvers<CgiAnswer>();
  const headers = {
    Host: "cgi.example",
    ...(body === undefined ? {} : { "Content-Length": Buffer.byteLength(body) }),
    ...fields,
  };
  const sent = request(
    { host: "127.0.0.1", port: server.port, path, method, headers, agent: false },
    (response) => {
      const pieces: Buffer[] = [];
      response.on("data", (piece: Buffer) => pieces.push(piece));
      response.on("error", reject);
      response.on("end", () => {
        const raw = response.rawHeaders;
        const lines = raw.flatMap((name, at) =>
          at % 2 === 0 ? [`${name.toLowerCase()}: ${raw[at + 1] ?? ""}`] : [],
        );
        resolve({
          status: response.statusCode ?? 0,
          fields: lines.toSorted(),
          body: Buffer.concat(pieces),
        });
      });
    },
  );
  sent.on("error", reject);
  sent.end(body);
  return await within(PATIENCE_MS, promise, `${server.name} responds to ${path}`);
}
