// The addresses that the server would listen at: each is opened for a moment and closed again. Who has one that is
// taken is read from /proc, as far as this user may see it.

import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { connect, createServer, isIPv6 } from "node:net";

import type { Configuration } from "../config/configuration.ts";
import { formatUrl, type BoundAddress } from "../net/address.ts";
import { finding, type Finding } from "./finding.ts";

/** Processes that are looked at in search of the one that has a port. */
const MAX_PROCESSES = 4096;

/** An address, and whether the start needs it, or another one does as well. */
export interface Wanted {
  readonly address: BoundAddress;
  readonly isNeeded: boolean;
}

export interface PortFacts extends Wanted {
  /** "": it is free; else the system's code, such as EADDRINUSE. */
  readonly code: string;
  /** The process that listens there, such as "4711 (nginx)"; "": not known. */
  readonly holder: string;
}

const onAll = (port: number, scheme: "http" | "https"): BoundAddress => ({
  kind: "tcp",
  scheme,
  host: "::",
  port,
});
const onLoopback = (port: number, scheme: "http" | "https"): BoundAddress => ({
  kind: "tcp",
  scheme,
  host: "127.0.0.1",
  port,
});

/** The addresses of --bind, or those that are tried without one (front/listen-all.ts). */
export function wantedAddresses(bind: Configuration["listeners"]["bind"]): readonly Wanted[] {
  if (bind === "default")
    return [
      { address: onAll(80, "http"), isNeeded: false },
      { address: onLoopback(8000, "http"), isNeeded: true },
    ];
  if (bind === "default-https")
    return [
      { address: onAll(443, "https"), isNeeded: false },
      { address: onAll(80, "http"), isNeeded: false },
      { address: onLoopback(8443, "https"), isNeeded: true },
    ];
  if (bind === "domains")
    return [
      { address: onAll(443, "https"), isNeeded: true },
      { address: onAll(80, "http"), isNeeded: true },
    ];
  return bind.map((address) => ({ address, isNeeded: true }));
}

export async function askPorts(
  bind: Configuration["listeners"]["bind"],
): Promise<readonly PortFacts[]> {
  const facts: PortFacts[] = [];
  // One after the other: two may be the same port of two families.
  for (const wanted of wantedAddresses(bind)) {
    const { address } = wanted;
    const code = address.kind === "unix" ? await tryPath(address.path) : await tryPort(address);
    const isTaken = code === "EADDRINUSE" && address.kind === "tcp";
    facts.push({ ...wanted, code, holder: isTaken ? holderOf(address.port) : "" });
  }
  return facts;
}

async function tryPort({
  host,
  port,
}: {
  readonly host: string;
  readonly port: number;
}): Promise<string> {
  const code = await new Promise<string>((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.on("error", (error) => resolve(codeOf(error)));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve("")));
  });
  const isAbsent = code === "EADDRNOTAVAIL" || code === "EAFNOSUPPORT";
  return host === "::" && isAbsent ? await tryPort({ host: "0.0.0.0", port }) : code;
}

/** A file that is made for a moment could reach clients: only a server that listens there is looked for. */
async function tryPath(path: string): Promise<string> {
  return await new Promise((resolve) => {
    const socket = connect({ path });
    socket.on("connect", () => {
      socket.destroy();
      resolve("EADDRINUSE");
    });
    socket.on("error", (error) => {
      const code = codeOf(error);
      resolve(code === "ECONNREFUSED" || code === "ENOENT" ? "" : code);
    });
  });
}

function codeOf(error: Error): string {
  return "code" in error ? String(error.code) : error.message;
}

/** The process that listens at a port, if this user may see it. */
function holderOf(port: number): string {
  try {
    const inodes = ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((path) =>
      listeningInodes(readFileSync(path, "utf8"), port),
    );
    for (const pid of readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .slice(0, MAX_PROCESSES))
      if (hasSocket(pid, inodes))
        return `${pid} (${readFileSync(`/proc/${pid}/comm`, "utf8").trim()})`;
  } catch {
    // No /proc, or the process has just ended.
  }
  return "";
}

/** Inodes of sockets that listen at a port, in the text of /proc/net/tcp (proc_pid_net(5)). */
export function listeningInodes(text: string, port: number): readonly string[] {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  return text.split("\n").flatMap((line) => {
    const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
    return state === "0A" && local.endsWith(`:${hex}`) && inode !== undefined ? [inode] : [];
  });
}

function hasSocket(pid: string, inodes: readonly string[]): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      const [, inode] = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? [];
      return inode !== undefined && inodes.includes(inode);
    });
  } catch {
    // Another user's process, or one that has just ended.
    return false;
  }
}

export function checkPorts(ports: readonly PortFacts[]): readonly Finding[] {
  return ports.map(checkPort);
}

function checkPort({ address, isNeeded, code, holder }: PortFacts): Finding {
  const where = addressWords(address);
  const level = isNeeded ? "fail" : "note";
  if (code === "") return finding("ok", "address", `${where} is free`);
  if (code === "EADDRINUSE") {
    const by = holder === "" ? "another process" : `process ${holder}`;
    // The server itself, most likely: a doctor is asked while it runs as well.
    const isTyphon = /\(typhon\b/.test(holder);
    return finding(
      isTyphon ? "note" : level,
      "address",
      `${where} is taken by ${by}`,
      isTyphon ? "" : "stop it, or choose another address with --bind",
    );
  }
  if (code === "EACCES" || code === "EPERM")
    return finding(
      level,
      "address",
      `${where}: this user may not listen there`,
      address.kind === "tcp" && address.port < 1024
        ? "root with --user, CAP_NET_BIND_SERVICE, or another port with --bind"
        : "another address with --bind",
    );
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND")
    return finding(
      level,
      "address",
      `${where} is no address of this machine`,
      "another address with --bind",
    );
  return finding(
    level,
    "address",
    `${where} cannot be listened at (${code})`,
    "another address with --bind",
  );
}

function addressWords(address: BoundAddress): string {
  if (address.kind === "tcp" && isIPv6(address.host) && address.host === "::")
    return `port ${address.port} of all addresses`;
  return formatUrl(address);
}
