// What happens to a server's certificates as log lines: what an operator reads about them.

import type { KeeperEvent } from "./acme/keeper-event.ts";
import type { Log } from "./observe/log.ts";

/** Writes that there is no certificate for a name, and that it is ordered now. */
export function logMissing(log: Log, names: string): void {
  log.info("certificate.ordering", `${names}: no certificate yet; it is being ordered`, { names });
}

/** Writes an event of the keeper of ACME certificates. */
export function logKeeperEvent(log: Log, event: KeeperEvent): void {
  if (event.kind === "damaged" || event.kind === "unsaved") {
    const what = event.kind === "damaged" ? "cannot be used and is made anew" : "cannot be written";
    log.warning("certificate.state", `${event.path} ${what}: ${event.reason}`, {
      path: event.path,
    });
    return;
  }
  const names = event.names.join(" ");
  const fields = { names };
  switch (event.kind) {
    case "loaded":
      log.info("certificate.loaded", `${names}: certificate until ${day(event.notAfter)}`, fields);
      return;
    case "adopted":
      log.info(
        "certificate.loaded",
        `${names}: certificate until ${day(event.notAfter)}, ordered by another process`,
        fields,
      );
      return;
    case "ordered":
    case "renewed":
      log.info(
        "certificate.issued",
        `${names}: certificate ${event.kind} from ${event.issuer}, until ${day(event.notAfter)}; to be renewed ${moment(event.renewAt)}`,
        fields,
      );
      return;
    case "failed":
      log.warning(
        "certificate.failed",
        `${names}: no certificate from ${event.issuer}: ${event.reason}; next try ${moment(event.retryAt)}, ${inUse(event.notAfter)}`,
        fields,
      );
      return;
    case "waiting":
      log.warning(
        "certificate.failed",
        `${names}: no certificate yet: ${event.reason}; next try ${moment(event.retryAt)}`,
        fields,
      );
      return;
    case "locked":
      log.debug("certificate.waiting", `${names}: ${event.holder} orders the certificate`, fields);
      return;
    case "moved":
      log.info(
        "certificate.moved",
        `${names}: the authority wants the renewal ${moment(event.renewAt)}${event.explanationUrl === "" ? "" : ` (${event.explanationUrl})`}`,
        fields,
      );
      return;
    case "unused":
      log.error("certificate.failed", `${names}: ${event.reason}; ${KEPT}`, fields);
      return;
    case "left":
      log.warning("certificate.state", `${names}: ${event.reason}`, {});
  }
}

const KEPT = "the certificate in use stays";

function inUse(notAfter: number | null): string {
  return notAfter === null
    ? "the name has no certificate until then"
    : `${KEPT} until ${day(notAfter)}`;
}

function day(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

function moment(time: number): string {
  return `${new Date(time).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
