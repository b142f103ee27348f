// The account with an authority, in the state folder: its key, made once, and its URL, which the authority gives.

import { createPrivateKey, generateKeyPair, type KeyObject } from "node:crypto";
import { rename } from "node:fs/promises";
import { promisify } from "node:util";

import { parseObject } from "./json.ts";
import { createWhole, readWhole, writeWhole } from "./whole-file.ts";

export interface StoredAccount {
  readonly key: KeyObject;
  /** Null: the authority has not been asked yet. */
  readonly url: string | null;
}

/** Makes a key on P-256, in another thread. */
export async function makeKey(): Promise<KeyObject> {
  const { privateKey } = await promisify(generateKeyPair)("ec", { namedCurve: "P-256" });
  return privateKey;
}

/**
 * Reads an account, or makes its key: of processes that share the folder and begin at once, all get the key of one.
 * `onDamaged` is told of a file that cannot be read; it is kept beside the new one.
 */
export async function openAccount(
  path: string,
  directoryUrl: string,
  onDamaged: (path: string) => void,
): Promise<StoredAccount> {
  const text = await readWhole(path);
  const found = text === null ? null : parseAccount(text);
  if (found !== null) return found;
  if (text !== null) {
    onDamaged(path);
    await rename(path, `${path}.damaged`);
  }
  const key = await makeKey();
  if (await createWhole(path, formatAccount(directoryUrl, { key, url: null })))
    return { key, url: null };
  const other = await readWhole(path);
  const others = other === null ? null : parseAccount(other);
  if (others === null) throw new Error(`${path} is being written by another process`);
  return others;
}

export async function saveAccount(
  path: string,
  directoryUrl: string,
  account: StoredAccount,
): Promise<void> {
  await writeWhole(path, formatAccount(directoryUrl, account));
}

function formatAccount(directoryUrl: string, { key, url }: StoredAccount): string {
  const pem = key.export({ type: "pkcs8", format: "pem" });
  return `${JSON.stringify({ directory: directoryUrl, url, key: pem }, null, 2)}\n`;
}

function parseAccount(text: string): StoredAccount | null {
  const { key, url } = parseObject(text) ?? {};
  if (typeof key !== "string" || (url !== null && typeof url !== "string")) return null;
  try {
    return { key: createPrivateKey(key), url };
  } catch {
    return null;
  }
}
