// Ids of requests that no proxy has named: unique for this process and short in a log line.

import { randomBytes } from "node:crypto";

/** Makes ids such as "9f8a61c3d204-1a": random for the process, then a counter in base 36. */
export function requestIds(): () => string {
  const prefix = `${randomBytes(6).toString("hex")}-`;
  let count = 0;
  return () => {
    count += 1;
    return prefix + count.toString(36);
  };
}
