// A Django project, found by its manage.py: which settings it uses, which application they name, and where its static
// files are collected. The settings are read, not run, with the modules that they import from.

import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";

import { Constants } from "./constants.ts";
import { isFile, isFolder } from "./entries.ts";
import { filesOfModule } from "./module-paths.ts";
import type { SourceFile, SourceFiles } from "./source-files.ts";

const VARIABLE = "DJANGO_SETTINGS_MODULE";
const DOTTED = /^[\p{L}_][\p{L}\p{M}\p{N}_]*(?:\.[\p{L}_][\p{L}\p{M}\p{N}_]*)+$/u;

export interface StaticFiles {
  /** "/static", without a trailing slash. */
  readonly prefix: string;
  /** Absolute. */
  readonly folder: string;
  readonly by: string;
}

export interface DjangoProject {
  /** module:callable. */
  readonly app: string;
  readonly why: string;
  readonly routes: readonly StaticFiles[];
  readonly hints: readonly string[];
}

export interface DjangoContext {
  /** The folder with manage.py. */
  readonly folder: string;
  readonly files: SourceFiles;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Null: there is no project. A text: why a manage.py does not lead to an application. */
export function findDjango(context: DjangoContext): DjangoProject | string | null {
  const { folder, files, environment } = context;
  const manage = files.read(join(folder, "manage.py"));
  if (manage === null) return null;
  const own = settingsNamedIn(manage);
  const given = environment[VARIABLE] ?? "";
  const name = given === "" ? own : given;
  // A manage.py of another framework.
  if (own === null) return null;
  const [settings] = filesOfModule(folder, name ?? "").flatMap((path) => files.read(path) ?? []);
  if (name === null || settings === undefined)
    return `manage.py names the settings ${name ?? "by a computed text"}, which are no readable module here`;
  const constants = new Constants({ files, folder, environment });
  const named = applicationOf(settings, constants, folder) ?? usualApplication(name, folder);
  const by = given === "" ? "manage.py" : VARIABLE;
  if (named === null)
    return `the settings ${name} of ${by} name no ASGI_APPLICATION and no WSGI_APPLICATION, and there is no wsgi.py beside them`;
  const { route, hint } = staticFiles(settings, name, constants, folder);
  return {
    app: named.app,
    why: `${named.key} of Django's settings ${name}, which ${by} names`,
    routes: route === null ? [] : [route],
    hints: hint === null ? [] : [hint],
  };
}

function settingsNamedIn({ module }: SourceFile): string | null {
  for (const { positional } of module.calls()) {
    const [key, value] = positional;
    if (key?.kind === "string" && key.text === VARIABLE && value?.kind === "string")
      return value.text;
    const constant = value?.kind === "name" ? module.names.get(value.name)?.at(-1) : undefined;
    if (
      key?.kind === "string" &&
      key.text === VARIABLE &&
      constant?.kind === "expression" &&
      constant.expression.kind === "string"
    )
      return constant.expression.text;
  }
  return module.items().find(([key]) => key === VARIABLE)?.[1] ?? null;
}

interface NamedApplication {
  readonly app: string;
  readonly key: string;
}

function applicationOf(
  settings: SourceFile,
  constants: Constants,
  folder: string,
): NamedApplication | null {
  for (const key of ["ASGI_APPLICATION", "WSGI_APPLICATION"]) {
    const text = constants.textOf(settings, key) ?? "";
    const at = text.lastIndexOf(".");
    if (!DOTTED.test(text)) continue;
    const module = text.slice(0, at);
    const [first = ""] = module.split(".");
    const isOurs = filesOfModule(folder, first).length > 0 || isFolder(join(folder, first));
    // A name that is left over from a file that is gone.
    if (isOurs && filesOfModule(folder, module).length === 0) continue;
    return { app: `${module}:${text.slice(at + 1)}`, key };
  }
  return null;
}

/** wsgi.py beside the settings, or above a package of settings; as `startproject` makes it. */
function usualApplication(settings: string, folder: string): NamedApplication | null {
  const parts = settings.split(".");
  while (parts.length > 0) {
    parts.pop();
    for (const name of ["wsgi", "asgi"]) {
      const module = [...parts, name].join(".");
      if (filesOfModule(folder, module).length > 0)
        return { app: `${module}:application`, key: `${name}.py beside the settings` };
    }
  }
  return null;
}

function staticFiles(
  settings: SourceFile,
  name: string,
  constants: Constants,
  folder: string,
): { route: StaticFiles | null; hint: string | null } {
  const none = { route: null, hint: null };
  const url = constants.textOf(settings, "STATIC_URL");
  const root = constants.textOf(settings, "STATIC_ROOT");
  // No static files, or those of another server.
  if (url === null || url === undefined || /^(?:[a-z]+:)?\/\//i.test(url)) return none;
  const prefix = `/${url.replaceAll(/^\/+|\/+$/g, "")}`;
  if (!/^(?:\/[\w.~-]+)+$/.test(prefix)) return none;
  if (root === null || root === "")
    return {
      route: null,
      hint: `the settings ${name} have no STATIC_ROOT, so that ${prefix}/ is not served: set it, then run python manage.py collectstatic`,
    };
  if (root === undefined)
    return {
      route: null,
      hint: `STATIC_ROOT of the settings ${name} is not known without running them; to serve it: --static ${prefix}=DIR`,
    };
  const place = resolve(folder, root);
  if (!hasFiles(place))
    return {
      route: null,
      hint: `STATIC_ROOT of the settings ${name} is ${place}, where no files are, so that ${prefix}/ is not served: run python manage.py collectstatic, then start again`,
    };
  // The project itself would be sent, its secrets included.
  if (`${folder}/`.startsWith(`${place === "/" ? "" : place}/`) || isFile(join(place, "manage.py")))
    return {
      route: null,
      hint: `STATIC_ROOT of the settings ${name} is ${place}, which holds the project itself; it is not served`,
    };
  return {
    route: { prefix, folder: place, by: `STATIC_ROOT of the settings ${name}` },
    hint: null,
  };
}

function hasFiles(folder: string): boolean {
  try {
    return isFolder(folder) && readdirSync(folder).length > 0;
  } catch {
    // Closed to this user.
    return false;
  }
}
