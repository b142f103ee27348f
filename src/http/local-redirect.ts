// A request that its own response has sent to another path of this server: a local redirect (RFC 3875 §6.2.2). Pure.

import type { RequestHead } from "./message.ts";

/** Local redirects of one request; Apache has the same limit (LimitInternalRecursion). */
export const MAX_LOCAL_REDIRECTS = 10;

/** Fields of the body, which has been received, and of the connection that was to follow the request. */
const OF_BODY = /^(?:content-.*|transfer-encoding|expect|upgrade)$/;

/**
 * The head of a request for another path, without a body: GET, or HEAD, whose client takes no body. `path`: as in
 * a request target, and so is `query`.
 */
export function redirectedHead(head: RequestHead, path: string, query: string): RequestHead {
  const isKept = (_: string, index: number): boolean => !OF_BODY.test(head.names[index] ?? "");
  return {
    ...head,
    method: head.method === "HEAD" ? "HEAD" : "GET",
    target: query === "" ? path : `${path}?${query}`,
    path,
    query,
    names: head.names.filter(isKept),
    values: head.values.filter(isKept),
    bodyLength: 0,
    protocol: "",
  };
}
