// What a first file is made for: the application or the site that was found, as the file has to name it.

/** All paths are relative to the folder, "" is the folder itself, but for `folder`, `command` and `python`. */
export interface InitFacts {
  /** The project's name, of letters, digits, dots, - and _. */
  readonly name: string;
  /** Absolute. */
  readonly folder: string;
  /** The application, "." for a site of files; null: the file that is here names it. */
  readonly app: string | null;
  readonly appDir: string;
  /** Folders of static files. */
  readonly statics: readonly { readonly prefix: string; readonly folder: string }[];
  /** What was found, for a comment: one line. */
  readonly found: string;
  /** The interpreter, and why it was chosen; null for a site of files. */
  readonly python: { readonly path: string; readonly why: string } | null;
  /** The absolute path of the command. */
  readonly command: string;
  readonly user: string;
  /** How the packages of the project are listed. */
  readonly packages: "requirements.txt" | "uv.lock" | "Pipfile.lock" | "pyproject.toml" | "none";
  /** "3.13": the version of Python for an image. */
  readonly pythonVersion: string;
}

/** The arguments of the command that serves it. */
export function servingWords({ app, appDir, statics }: InitFacts): string[] {
  return [
    ...(app === null ? [] : [app]),
    ...(appDir === "" ? [] : ["--app-dir", appDir]),
    ...statics.flatMap(({ prefix, folder }) => ["--static", `${prefix}=${folder}`]),
  ];
}
