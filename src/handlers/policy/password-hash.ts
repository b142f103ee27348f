// Hashes of passwords as text, and their verification. scrypt is made here, in the form "$scrypt$ln=15,r=8,p=1$SALT$KEY"
// (base64 without padding, as passlib writes it); bcrypt ("$2b$12$…", htpasswd -B) is read for files that exist.
// scrypt runs in a thread of Node's pool; bcrypt, which is JavaScript, in a thread of its own.

import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { Worker } from "node:worker_threads";

/** 2^15 blocks of 1 KiB: about 0.1 s and 32 MiB a password (OWASP recommends at least that much for p = 3, r = 8). */
const COST_BITS = 15;
const MAX_COST_BITS = 20;
const BLOCK_SIZE = 8;
const PARALLEL = 1;
const KEY_BYTES = 32;
const SALT_BYTES = 16;
const SCRYPT =
  /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{8,86})\$([A-Za-z0-9+/]{22,86})$/;
const BCRYPT = /^\$2[aby]\$\d\d\$[A-Za-z0-9./]{53}$/;
/** bcrypt takes 72 bytes and ignores the rest, so a longer password is none. */
const MAX_BCRYPT_BYTES = 72;

interface ScryptHash {
  readonly cost: number;
  readonly blockSize: number;
  readonly parallel: number;
  readonly salt: Buffer;
  readonly key: Buffer;
}

/** Whether a text is a hash that `verifyPassword` can check. */
export function isPasswordHash(text: string): boolean {
  return BCRYPT.test(text) || readScrypt(text) !== null;
}

/** Makes the scrypt hash of a password with a random salt. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const cost = 2 ** COST_BITS;
  const hash = {
    cost,
    blockSize: BLOCK_SIZE,
    parallel: PARALLEL,
    salt,
    key: Buffer.alloc(KEY_BYTES),
  };
  const key = await deriveKey(password, hash);
  const parameters = `ln=${COST_BITS},r=${BLOCK_SIZE},p=${PARALLEL}`;
  return `$scrypt$${parameters}$${unpadded(salt)}$${unpadded(key)}`;
}

/** Whether a password has this hash. Takes about 0.1 s of another thread. */
export async function verifyPassword(password: string, hash: string): Promise<boolean> {
  const scryptHash = readScrypt(hash);
  if (scryptHash !== null)
    return timingSafeEqual(await deriveKey(password, scryptHash), scryptHash.key);
  if (!BCRYPT.test(hash) || Buffer.byteLength(password) > MAX_BCRYPT_BYTES) return false;
  return await verifyBcrypt(password, hash);
}

function readScrypt(text: string): ScryptHash | null {
  const [, bits = "", blockSize = "", parallel = "", salt = "", key = ""] = SCRYPT.exec(text) ?? [];
  const cost = 2 ** Number(bits);
  const isAffordable =
    Number(bits) >= 1 && Number(bits) <= MAX_COST_BITS && Number(blockSize) <= 16;
  if (bits === "" || !isAffordable || Number(blockSize) < 1) return null;
  if (Number(parallel) < 1 || Number(parallel) > 16) return null;
  return {
    cost,
    blockSize: Number(blockSize),
    parallel: Number(parallel),
    salt: Buffer.from(salt, "base64"),
    key: Buffer.from(key, "base64"),
  };
}

function deriveKey(password: string, hash: ScryptHash): Promise<Buffer> {
  const { cost, blockSize, parallel, salt, key } = hash;
  // The memory that scrypt needs, and room for its last block.
  const maxmem = 128 * blockSize * (cost + parallel + 2);
  const options = { N: cost, r: blockSize, p: parallel, maxmem };
  return new Promise((resolve, reject) => {
    scrypt(password.normalize("NFC"), salt, key.length, options, (error, derived) => {
      if (error === null) resolve(derived);
      else reject(error);
    });
  });
}

function unpadded(bytes: Buffer): string {
  return bytes.toString("base64").replaceAll("=", "");
}

let bcryptThread: Worker | null = null;

/** One check at a time: the caller waits for each before the next. */
function verifyBcrypt(password: string, hash: string): Promise<boolean> {
  // The thread is a file beside this one, with the same ending (.ts in a checkout, .js in a package).
  const file = new URL(import.meta.url.replace(/password-hash\.([tj]s)$/, "bcrypt-thread.$1"));
  const thread = (bcryptThread ??= new Worker(file));
  thread.unref();
  return new Promise((resolve) => {
    const onError = (): void => {
      bcryptThread = null;
      onMessage(false);
    };
    const onMessage = (isRight: unknown): void => {
      thread.off("message", onMessage);
      thread.off("error", onError);
      resolve(isRight === true);
    };
    thread.on("message", onMessage);
    thread.on("error", onError);
    thread.postMessage([password, hash]);
  });
}
