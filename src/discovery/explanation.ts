// What is said where nothing, or more than one thing, was found: at most six lines.

import type { Candidate } from "./candidates.ts";
import type { ModulePlace } from "./module-paths.ts";
import { MODULES } from "./places.ts";
import { command } from "./suggestions.ts";

/** Candidates and reasons that are named. */
const MAX_NAMED = 3;

/** `looked`: what was looked for, "" if something was found after all; `advice`: why that is all, and what to do. */
export interface Explanation {
  readonly looked: string;
  readonly advice: readonly string[];
}

export function explainAmbiguity(
  label: string,
  candidates: readonly Candidate[],
  place: ModulePlace,
  folder: string,
): Explanation {
  const all = candidates.slice(0, MAX_NAMED);
  const more = candidates.length - all.length;
  return {
    looked: "",
    advice: [
      `${label} has ${candidates.length} applications; name the one that is meant:`,
      ...all.map(({ is, callable }) => `  ${command(place, callable, folder)}   (${is})`),
      ...(more > 0 ? [`  and ${more} more`] : []),
    ],
  };
}

/** `names`: those of packages; `nearest`: a sentence with a command, or null. */
export function explainNothing(
  names: readonly string[],
  reasons: readonly string[],
  nearest: string | null,
): Explanation {
  const folders = ["app/", "src/", ...names.map((name) => `${name}/`)].slice(0, MAX_NAMED + 1);
  const modules = `${MODULES.slice(0, -1).join(", ")} or ${MODULES.at(-1)}.py`;
  return {
    looked: `no application given, and none found in this folder. Looked for: typhon.toml, [tool.typhon] and [tool.fastapi] of pyproject.toml, gunicorn.conf.py, manage.py;
${modules}, here and in ${folders.join(", ")}, with app, application, api, the only object of a framework, or create_app(); index.html without files of Python`,
    advice: [...reasons.slice(0, MAX_NAMED), ...(nearest === null ? [] : [nearest])],
  };
}
