// The pages of the suite "cgi": programs in Python, C and sh (cases/cgi-bin), each with one client and with 16.

import type { Case } from "./cases.ts";
import { ask } from "./client.ts";
import type { Load } from "./throughput.ts";
import { runWrk, type WrkOutcome } from "./wrk.ts";

export interface CgiCase extends Case {
  readonly connections: number;
  readonly language: "Python" | "C" | "sh";
}

const HELLO = "Hello, World!\n";
const IMPORTED =
  '{"day": "2026-01-02T00:00:00+00:00", "row": ["&lt;Hello&gt;"], "query": {}, "host": "a.example"}\n';

const PROGRAMS = [
  ["python", "Python, print", "Python", "hello.py", HELLO],
  ["imports", "Python, 6 imports", "Python", "imports.py", IMPORTED],
  ["c", "C", "C", "hello.cgi", HELLO],
  ["sh", "sh", "sh", "hello.sh", HELLO],
] as const;

/** In the order in which they are measured and shown. */
export const CGI_CASES: readonly CgiCase[] = [1, 16].flatMap((connections) =>
  PROGRAMS.map(([name, title, language, file, expectedBody]) => ({
    name: `cgi-${name}-${connections}`,
    title: `${title}, ${connections === 1 ? "1 client" : `${connections} clients`}`,
    wsgi: "",
    asgi: "",
    path: `/cgi-bin/${file}`,
    postBytes: 0,
    expectedBody,
    goals: [],
    connections,
    language,
  })),
);

/** Of a run, at least: programs whose clients have left run on under Apache, and delay the first responses of the next run. */
const MIN_SECONDS = 4;

/** The load of a page of this suite. The warm-up begins with one request whose response is checked whole. */
export async function askCgi(load: Load<CgiCase>): Promise<WrkOutcome> {
  const { page, port, seconds, isWarmUp } = load;
  const { path, connections, expectedBody } = page;
  if (isWarmUp) {
    const { status, body } = await ask({ port, path, postBytes: 0 });
    if (status !== 200 || body !== expectedBody)
      throw new Error(`status ${status}, ${body.length} bytes for ${path}`);
  }
  const atLeast = Math.max(seconds, connections > 1 ? MIN_SECONDS : 1);
  return await runWrk({ port, path, postBytes: 0, seconds: atLeast, connections });
}
