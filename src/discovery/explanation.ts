// What is said where nothing, or more than one thing, was found: at most six lines.

import type { Candidate } from "./candidates.ts";
import type { ModulePlace } from "./module-paths.ts";
import { MODULES } from "./places.ts";
import { command } from "./suggestions.ts";

/** Candidates and reasons that are named. */
const MAX_NAMED = 3;

export function explainAmbiguity(
  label: string,
  candidates: readonly Candidate[],
  place: ModulePlace,
  folder: string,
): string {
  const all = candidates.slice(0, MAX_NAMED);
  const more = candidates.length - all.length;
  return [
    `${label} has ${candidates.length} applications; name the one that is meant:`,
    ...all.map(({ is, callable }) => `  ${command(place, callable, folder)}   (${is})`),
    ...(more > 0 ? [`  and ${more} more`] : []),
  ].join("\n");
}

export function explainNothing({
  names,
  reasons,
  nearest,
}: {
  readonly names: readonly string[];
  readonly reasons: readonly string[];
  readonly nearest: string | null;
}): string {
  const folders = ["app/", "src/", ...names.map((name) => `${name}/`)].slice(0, MAX_NAMED + 1);
  const lines = [
    "no application given, and none found in this folder. Looked for: typhon.toml, [tool.typhon] and [tool.fastapi] of pyproject.toml, gunicorn.conf.py, manage.py;",
    `${MODULES.slice(0, -1).join(", ")} or ${MODULES.at(-1)}.py, here and in ${folders.join(", ")}, with app, application, api, the only object of a framework, or create_app(); index.html without files of Python`,
    ...reasons.slice(0, MAX_NAMED),
    nearest ?? "name the application, such as typhon shop:app, or write a file: typhon init",
  ];
  return lines.join("\n");
}
