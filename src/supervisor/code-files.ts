// Which files below an application's folder are its code, by their names. Pure.

/** The file that makes a folder a virtual environment. */
export const VENV_MARK = "pyvenv.cfg";
export const CACHE_FOLDER = "__pycache__";
/** A project has hundreds of folders; Linux allows a user some 8,000 watches or more. */
export const MAX_FOLDERS = 8000;

const IGNORED_FOLDERS = new Set([CACHE_FOLDER, "node_modules", "site-packages"]);
const CODE_FILE = /(?:\.(?:py|toml|ini|cfg|html|jinja|jinja2|env)|^\.env(?:\.[\w-]+)?)$/;
/** What editors and checkers write beside a file: .#app.py, .app.py, ~app.py, flycheck_app.py, app_flymake.py. */
const TEMPORARY_FILE = /^(?:\.(?!env\b)|[~#]|flycheck_)|_flymake\.py$/;

/** Whether a change of a file of that name means new code. */
export function isCodeFile(name: string): boolean {
  return CODE_FILE.test(name) && !TEMPORARY_FILE.test(name) && name !== VENV_MARK;
}

/** Whether a folder of that name may hold code of the application. */
export function isCodeFolder(name: string): boolean {
  return !name.startsWith(".") && !IGNORED_FOLDERS.has(name);
}
