// What is to be served in a folder where nobody has said so. Looks, in this order, at [tool.fastapi] of
// pyproject.toml, wsgi_app of gunicorn.conf.py, Django's manage.py, the usual modules and packages, and at index.html.
// typhon.toml and [tool.typhon] come before, and are config's. Reads sources, and runs nothing of them.

import { join, resolve } from "node:path";

import { findCandidates } from "./candidates.ts";
import { Constants } from "./constants.ts";
import { findDjango, type StaticFiles } from "./django.ts";
import { isFile, isFolder } from "./entries.ts";
import { explainAmbiguity, explainNothing, type Explanation } from "./explanation.ts";
import { modulePlace } from "./module-paths.ts";
import { packageNames, placesOf } from "./places.ts";
import { findPythonFile, MAX_ENTRIES } from "./python-files.ts";
import { SourceFiles } from "./source-files.ts";
import { suggest } from "./suggestions.ts";
import { Verdicts } from "./verdicts.ts";

const GUNICORN = "gunicorn.conf.py";
const PROGRAMS = "cgi-bin";

export interface DiscoveryContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** What pyproject.toml says. */
  readonly project: {
    /** `entrypoint` of [tool.fastapi]; null: none. */
    readonly entrypoint: string | null;
    /** The names of the project. */
    readonly names: readonly string[];
  };
}

/** What was found. `why`: one clause for people. */
export type Discovery =
  | {
      readonly what: "app";
      /** module:callable. */
      readonly app: string;
      /** The folder where imports begin, absolute. */
      readonly folder: string;
      readonly routes: readonly StaticFiles[];
      readonly why: string;
      /** What the user may want to know, a line each. */
      readonly hints: readonly string[];
    }
  | {
      readonly what: "site";
      readonly folder: string;
      readonly why: string;
      readonly hints: readonly string[];
    }
  | ({ readonly what: "nothing" } & Explanation);

/** Looks at a folder. Never throws for what lies in it. */
export function discover(folder: string, context: DiscoveryContext): Discovery {
  const files = new SourceFiles(folder);
  const { entrypoint, names: projects } = context.project;
  const hints = hintsOf(folder);
  const found = (
    app: string,
    why: string,
    more: Partial<Extract<Discovery, { what: "app" }>> = {},
  ): Discovery => ({
    what: "app",
    app,
    folder,
    routes: [],
    why,
    ...more,
    hints: [...(more.hints ?? []), ...hints],
  });

  if (entrypoint !== null)
    return found(entrypoint, "entrypoint of [tool.fastapi] in pyproject.toml");
  const gunicorn = findGunicorn(folder, files, context.environment);
  if (gunicorn !== null) return found(gunicorn.app, `wsgi_app of ${GUNICORN}`, gunicorn);
  const django = findDjango({ folder, files, environment: context.environment });
  if (django !== null && typeof django !== "string") return found(django.app, django.why, django);

  const names = packageNames(folder, projects);
  const verdicts = new Verdicts(files, [folder, join(folder, "src")]);
  const reasons: string[] = django === null ? [] : [django];
  for (const { path, fault } of placesOf(folder, names)) {
    const label = files.nameOf(path);
    const file = fault === "" ? files.read(path) : null;
    if (fault !== "") reasons.push(`${label} ${fault}`);
    if (file === null) continue;
    const { found: candidates, reasons: more } = findCandidates(file, label, verdicts);
    const place = modulePlace(file, folder);
    const [first, second] = candidates;
    if (first !== undefined && second !== undefined)
      return { what: "nothing", ...explainAmbiguity(label, candidates, place, folder) };
    if (first !== undefined)
      return found(`${place.module}:${first.callable}`, `${first.is} in ${label}`, {
        folder: place.folder,
      });
    reasons.push(...more);
  }
  const programs = join(folder, PROGRAMS);
  const hasPrograms = isFolder(programs);
  if (isFile(join(folder, "index.html"))) {
    const python = findPythonFile(folder, new Set([programs]));
    if (python === "none")
      return { what: "site", folder, why: "index.html, and no files of Python", hints: [] };
    // Behind the limit may be an application, whose source nobody meant to serve.
    if (python === "too many")
      reasons.unshift(
        `index.html is here, but of more than ${MAX_ENTRIES} files some may be no part of a site: typhon . serves all of them`,
      );
  }
  const nearest = suggest(folder, files, verdicts, hasPrograms);
  return { what: "nothing", ...explainNothing(names, [...reasons, ...files.faults], nearest) };
}

function findGunicorn(
  folder: string,
  files: SourceFiles,
  environment: DiscoveryContext["environment"],
): { app: string; folder: string } | null {
  const file = files.read(join(folder, GUNICORN));
  if (file === null) return null;
  const constants = new Constants({ files, folder, environment });
  const app = constants.textOf(file, "wsgi_app") ?? "";
  if (app === "") return null;
  // gunicorn's own default of the callable.
  const whole = app.includes(":") ? app : `${app}:application`;
  return { app: whole, folder: resolve(folder, constants.textOf(file, "chdir") ?? "") };
}

function hintsOf(folder: string): string[] {
  const hints: string[] = [];
  if (isFolder(join(folder, PROGRAMS)))
    hints.push(
      `the programs of ${PROGRAMS}/ are not run; to run them: --cgi /${PROGRAMS}=${PROGRAMS}`,
    );
  return hints;
}
