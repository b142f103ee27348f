// WSGI, seen from a request: its body is received whole before a worker hears of the request, and the
// response is taken from the worker as fast as it comes. So a slow client holds no thread, in either
// direction.

import type { InterfaceRules } from "../python/python-request.ts";
import { ReceivedBody } from "../python/received-body.ts";

export const WSGI: InterfaceRules = {
  // PEP 3333: an application must not send hop-by-hop fields. Where they change nothing, they do no harm.
  droppedFields: "restated",
  hearsHalfClose: false,
  spoolsResponses: true,
  offersSocket: true,
  creditStepBytes: 262_144,
  openRequestBody: (request) => new ReceivedBody(request),
};
