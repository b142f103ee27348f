// Hosts of requests and of configurations: which name a Host field holds, and which patterns stand for a name. Pure.

import type { RequestHead } from "../http/message.ts";

/**
 * The name that Host holds: "Example.com.:8080" → "example.com", because names ignore case, and neither
 * a port nor a final dot changes a name. "" where there is no Host.
 */
export function hostName({ names, values }: RequestHead): string {
  return plainName((values[names.indexOf("host")] ?? "").replace(/:\d*$/, ""));
}

/** A name in lower case, without a final dot. */
export function plainName(name: string): string {
  const lower = name.toLowerCase();
  return lower.endsWith(".") ? lower.slice(0, -1) : lower;
}

/** Sorts hosts: an exact name is more specific than a pattern, a pattern more than every host. */
export function specificity(host: string): number {
  if (host === "") return 0;
  // No name is longer than 253 characters (RFC 1035 §2.3.4).
  return host.startsWith("*.") ? host.length : 1000 + host.length;
}

/** Whether `host`, as in a route, stands for a plain name. */
export function isHost(name: string, host: string): boolean {
  if (host === "" || name === host) return true;
  // "*.example.com" stands for a.example.com and a.b.example.com, not for example.com.
  return host.startsWith("*.") && name.length >= host.length && name.endsWith(host.slice(1));
}
