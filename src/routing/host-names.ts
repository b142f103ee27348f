// The host that a request names. Pure.

import type { RequestHead } from "../http/message.ts";
import { hostNameOf } from "../net/host-name.ts";

/** The host that Host names, as `hostNameOf` writes it; "" where there is no Host. */
export function hostName({ names, values }: RequestHead): string {
  return hostNameOf(values[names.indexOf("host")] ?? "");
}
