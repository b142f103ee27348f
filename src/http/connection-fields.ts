// Fields of the connection that an application sends: they are the server's to send (RFC 9110 §7.6.1). Pure.

import { listMembers } from "./grammar.ts";
import { fieldName, HOP_BY_HOP } from "./headers.ts";

/**
 * What becomes of Transfer-Encoding, Connection and Keep-Alive from an application; those that are not sent do
 * no harm, and the value of Connection is kept for the engine. "restated": fields that only say whether the
 * connection stays open, as most examples of event streams have them, are not sent. Others would change the
 * framing, or name fields of the connection, and are a fault, as PEP 3333 has it. "any": none of the three is
 * sent, as ASGI has it for Transfer-Encoding.
 */
export type DroppedFields = "restated" | "any";

/** "option": not sent, and kept for the engine. What is sent is still checked (checkedHead). */
export function connectionKind(
  name: string,
  value: string,
  dropped: DroppedFields,
): "sent" | "option" | "dropped" {
  const field = fieldName(name);
  if (field === null || (field.kind & HOP_BY_HOP) === 0) return "sent";
  if (field.lower === "keep-alive") return "dropped";
  if (field.lower === "connection")
    return dropped === "any" || isRestatement(value) ? "option" : "sent";
  return dropped === "any" && field.lower === "transfer-encoding" ? "dropped" : "sent";
}

function isRestatement(value: string): boolean {
  return listMembers(value).every((option) => /^(?:close|keep-alive)$/i.test(option));
}
