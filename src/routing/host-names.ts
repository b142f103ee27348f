// Hosts of requests and of configurations: which name a Host field holds, and which patterns stand for a name. Pure.

import type { RequestHead } from "../http/message.ts";
import { hostNameOf } from "../net/host-name.ts";

/** The host that Host names, as `hostNameOf` writes it; "" where there is no Host. */
export function hostName({ names, values }: RequestHead): string {
  return hostNameOf(values[names.indexOf("host")] ?? "");
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
