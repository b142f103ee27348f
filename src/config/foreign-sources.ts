// The variables of gunicorn and uvicorn: GUNICORN_CMD_ARGS, which holds flags, and UVICORN_…, one for each flag. They
// come behind our own flags and variables, and before files.

import { readFlags } from "./flags.ts";
import { translate, uvicornWords, type ForeignTexts } from "./foreign-texts.ts";
import { OperatorError } from "./operator-error.ts";
import { APP } from "./schema.ts";
import { splitShellWords } from "./shell-words.ts";
import { flagLayer, translatedLayer, type Environment, type Layer } from "./sources.ts";

/** gunicorn reads it without being told to. */
export const USUAL_CONF = "gunicorn.conf.py";
const CMD_ARGS = "GUNICORN_CMD_ARGS";
const UVICORN_APP = "UVICORN_APP";

export interface ForeignSources {
  /** The layers, the strongest first. `folder`: where relative paths start. */
  readonly layers: (folder: string) => readonly Layer[];
  readonly notices: readonly string[];
}

export const NO_FOREIGN: ForeignSources = { layers: () => [], notices: [] };

/** Throws OperatorError. */
export function foreignSources(environment: Environment): ForeignSources {
  const gunicorn = gunicornFlags(environment[CMD_ARGS] ?? "");
  const uvicorn = uvicornTexts(environment);
  return {
    layers: (folder) => [
      ...(gunicorn === null ? [] : [flagLayer(gunicorn, folder, `${CMD_ARGS} `)]),
      translatedLayer(uvicorn.texts, folder),
    ],
    notices: [
      ...(gunicorn?.foreign.notices.map((text) => `${CMD_ARGS} ${text}`) ?? []),
      ...uvicorn.notices,
    ],
  };
}

/** Null: nothing is given. As with gunicorn an application in the variable counts for nothing. */
function gunicornFlags(text: string): ReturnType<typeof readFlags> | null {
  if (text.trim() === "") return null;
  try {
    return { ...readFlags(splitShellWords(text, CMD_ARGS)), app: null };
  } catch (error) {
    if (!(error instanceof OperatorError) || error.text.startsWith(CMD_ARGS)) throw error;
    throw new OperatorError(`${CMD_ARGS}: ${error.text}`);
  }
}

function uvicornTexts(environment: Environment): ForeignTexts {
  const { texts, notices } = translate(uvicornWords(environment), false);
  const app = environment[UVICORN_APP] ?? "";
  const all = app === "" ? texts : [...texts, { option: APP.name, by: UVICORN_APP, text: app }];
  if (all.length === 0) return { texts, notices };
  const names = all.map(({ by }) => by).join(", ");
  return { texts: all, notices: [`${names}: read, as uvicorn does`, ...notices] };
}
