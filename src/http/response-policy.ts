// What a route changes in the responses of its handler: fields, the pages of errors, the coding of bodies. A
// routing handler sets the policy of an exchange before the route's own handler sees the exchange; the exchange
// asks the policy when a response begins.

import type { HttpError } from "./error.ts";
import type { RequestHead, ResponseHead } from "./message.ts";

export interface ResponsePolicy {
  /** The page in place of the usual text of an error that the server itself responds with; null: the usual text. */
  errorPage(error: HttpError): readonly [head: ResponseHead, body: Buffer] | null;
  /** The head to send in place of `head`; the same object where nothing changes. */
  changeHead(head: ResponseHead, request: RequestHead): ResponseHead;
}
