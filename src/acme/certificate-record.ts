// What is known of a certificate besides its PEM, as NAME.json in the state folder: processes that share the folder
// go on where another one stopped, and a server that is started again and again keeps to the limits of tries.

import { asObject, parseObject } from "./json.ts";
import { NO_ATTEMPTS, type Attempts, type RenewalPlan } from "./schedule.ts";

export interface CertificateRecord {
  /** For people who read the file. */
  readonly names: readonly string[];
  /** The directory of the authority that issued the certificate; "" before the first one. */
  readonly issuer: string;
  readonly orderedAt: number;
  readonly plan: RenewalPlan | null;
  /** When the authority is asked for its window. */
  readonly askAt: number;
  readonly attempts: Attempts;
  /** Why the last try failed; "" after a success. */
  readonly reason: string;
}

const MAX_REASON_CHARS = 1000;
const MAX_RECORDED_TRIES = 100;

export function newRecord(names: readonly string[]): CertificateRecord {
  return {
    names,
    issuer: "",
    orderedAt: 0,
    plan: null,
    askAt: 0,
    attempts: NO_ATTEMPTS,
    reason: "",
  };
}

export function formatRecord(record: CertificateRecord): string {
  return `${JSON.stringify({ ...record, reason: record.reason.slice(0, MAX_REASON_CHARS) }, null, 2)}\n`;
}

/** Reads a record of `names`; null: damaged. Names of the text are not used. */
export function parseRecord(text: string, names: readonly string[]): CertificateRecord | null {
  const read = parseObject(text);
  const attempts = parseAttempts(read?.["attempts"]);
  const plan = parsePlan(read?.["plan"]);
  if (read === null || attempts === null || plan === undefined) return null;
  const { issuer, orderedAt, askAt, reason } = read;
  if (typeof issuer !== "string" || typeof reason !== "string") return null;
  if (!isMoment(orderedAt) || !isMoment(askAt)) return null;
  return { names, issuer, orderedAt, plan, askAt, attempts, reason };
}

function parseAttempts(value: unknown): Attempts | null {
  const read = asObject(value);
  if (read === null) return null;
  const { failures, tries, retryAt, failedAt } = read;
  if (!isMoment(failures) || !isMoment(retryAt) || !isMoment(failedAt)) return null;
  if (!Array.isArray(tries) || tries.length > MAX_RECORDED_TRIES || !tries.every(isMoment))
    return null;
  return { failures, tries, retryAt, failedAt };
}

/** Undefined: damaged. */
function parsePlan(value: unknown): RenewalPlan | null | undefined {
  if (value === null) return null;
  const { start, end, moment } = asObject(value) ?? {};
  if (!isMoment(start) || !isMoment(end) || !isMoment(moment)) return undefined;
  return { start, end, moment };
}

function isMoment(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(Math.floor(value)) && value >= 0;
}
