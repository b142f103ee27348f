// A local authority for development (`--tls internal`): a root certificate that the developer's browser may be told to
// trust, and server certificates that it signs. The root's key stays in a folder of this user; a server certificate
// is in memory only, and is made anew at each start.

import {
  createPrivateKey,
  generateKeyPairSync,
  randomBytes,
  X509Certificate,
  type KeyObject,
} from "node:crypto";
import { chmod, link, lstat, mkdir, readFile, rename, unlink, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";

import { makeCertificate } from "../x509/certificate.ts";
import { toPem } from "../x509/signing.ts";
import { CertificateError, readCertificate, type Certificate } from "./certificate.ts";
import type { CertificateStore } from "./certificate-store.ts";
import { serverName } from "./server-name.ts";

const DAY_MS = 86_400_000;
const ROOT_MS = 3650 * DAY_MS;
/** A server certificate; browsers refuse more than 398 days. */
const LEAF_MS = 90 * DAY_MS;
/** A server certificate that is valid for less is replaced. */
const RENEWED_MS = 30 * DAY_MS;
/** Clocks of other machines and of virtual ones may be behind. */
const BACKDATED_MS = DAY_MS;

/** Names of this machine. */
const LOCAL_NAMES = ["localhost", "127.0.0.1", "::1"];

/** The root's certificate, for the trust of browsers and tools. */
const ROOT_FILE = "authority.pem";
/** The root's key and certificate, which are made and read together. */
const SECRET_FILE = "authority-key.pem";

/** The path of the root's certificate in a state folder; the file is there when the server has run once. */
export function rootPathIn(stateFolder: string): string {
  return join(folderIn(stateFolder), ROOT_FILE);
}

function folderIn(stateFolder: string): string {
  return join(stateFolder, "local-authority");
}

interface Root {
  readonly certificate: X509Certificate;
  readonly key: KeyObject;
}

export class InternalAuthority {
  /** Of the root's certificate, PEM. */
  readonly rootPath: string;
  readonly #root: Root;
  readonly #names: readonly string[];
  #leaf: Certificate | null = null;

  private constructor(rootPath: string, root: Root, names: readonly string[]) {
    this.rootPath = rootPath;
    this.#root = root;
    this.#names = names;
  }

  /**
   * Reads the authority in a state folder, or makes it. `hosts`: names of the site, besides those of this machine.
   * Rejects with CertificateError.
   */
  static async open(
    stateFolder: string,
    hosts: readonly string[],
    now = Date.now(),
  ): Promise<InternalAuthority> {
    const folder = folderIn(stateFolder);
    try {
      await makeFolder(folder);
      const root = (await readRoot(folder, now)) ?? (await makeRoot(folder, now));
      const rootPath = rootPathIn(stateFolder);
      await replaceFile(rootPath, root.certificate.toString(), 0o644);
      const names = [...LOCAL_NAMES, hostname().toLowerCase(), ...hosts].filter(isName);
      return new InternalAuthority(rootPath, root, [...new Set(names)]);
    } catch (error) {
      if (error instanceof CertificateError || !(error instanceof Error)) throw error;
      throw new CertificateError(`the local authority in ${folder}: ${error.message}`);
    }
  }

  /** Puts a certificate into the store, if there is none yet or the one there ends soon; to be called now and then. */
  renew(store: CertificateStore, now = Date.now()): void {
    const leaf = this.#leaf;
    // Also where the clock was set back before its beginning.
    if (leaf !== null && leaf.notBefore <= now && leaf.notAfter - now > RENEWED_MS) return;
    this.#leaf = readCertificate({ ...this.#issue(now), password: null });
    store.setInternal([this.#leaf]);
  }

  #issue(now: number): { readonly cert: string; readonly key: string } {
    const { certificate, key } = this.#root;
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const der = makeCertificate({
      subject: "",
      names: this.#names,
      isAuthority: false,
      issuer: certificate,
      signingKey: key,
      publicKey,
      notBefore: now - BACKDATED_MS,
      notAfter: now + LEAF_MS - BACKDATED_MS,
      usages: ["serverAuth"],
      extensions: [],
    });
    return {
      cert: toPem("CERTIFICATE", der),
      key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    };
  }
}

/** A host name, a pattern, or an address. */
function isName(name: string): boolean {
  return isIP(name) !== 0 || serverName(name.replace(/^\*\./, "")) !== "";
}

/** The folder has the key of an authority that browsers trust: it must be this user's alone. */
async function makeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const found = await lstat(folder);
  if (!found.isDirectory() || found.uid !== process.geteuid?.())
    throw new CertificateError(`${folder} must be a folder of this user`);
  if ((found.mode & 0o077) !== 0) await chmod(folder, 0o700);
}

/** Null: there is none, or it does not last as long as a server certificate. */
async function readRoot(folder: string, now: number): Promise<Root | null> {
  const path = join(folder, SECRET_FILE);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
  const root = { certificate: new X509Certificate(text), key: createPrivateKey(text) };
  if (!root.certificate.checkPrivateKey(root.key))
    throw new CertificateError(`${path} is damaged: remove it, and a new authority is made`);
  if (Date.parse(root.certificate.validTo) > now + LEAF_MS) return root;
  await rename(path, `${path}.old`);
  return null;
}

async function makeRoot(folder: string, now: number): Promise<Root> {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const der = makeCertificate({
    // Browsers keep authorities by name: those of two machines must differ.
    subject: `Typhon local authority ${randomBytes(4).toString("hex")}`,
    names: [],
    isAuthority: true,
    issuer: null,
    signingKey: privateKey,
    publicKey,
    notBefore: now - BACKDATED_MS,
    notAfter: now + ROOT_MS,
    usages: [],
    extensions: [],
  });
  const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const path = join(folder, SECRET_FILE);
  const draft = draftOf(path);
  await writeFile(draft, key + toPem("CERTIFICATE", der), { mode: 0o600, flag: "wx" });
  try {
    // Fails if another process has made an authority meanwhile.
    await link(draft, path);
  } catch (error) {
    const found = await readRoot(folder, now);
    if (found === null) throw error;
    return found;
  } finally {
    await unlink(draft);
  }
  return { certificate: new X509Certificate(der), key: createPrivateKey(key) };
}

/** Writes a file whole or not at all. */
async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  const draft = draftOf(path);
  await writeFile(draft, text, { mode, flag: "wx" });
  await rename(draft, path);
}

function draftOf(path: string): string {
  return `${path}.${process.pid}.${randomBytes(4).toString("hex")}`;
}
