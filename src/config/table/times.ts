// How long things may take.

import { inGroup } from "../option.ts";
import { readTimeout, seconds } from "../values.ts";

const option = inGroup("Times");

export const TIMES = {
  timeout: option({
    name: "timeout",
    short: "t",
    placeholder: "SECONDS",
    isRepeatable: true,
    fallback: "30",
    help: "for an answer to begin; 0 = no limit; /path=SECONDS below a path",
    doc: "How long a request may run: from the moment a worker takes it to the head of the response, then between two chunks while the client reads. After that the client gets 504 (or its connection is cut, if the answer had begun), the log gets the stacks of the worker's threads, the request is interrupted, and a worker that does not come back is replaced. 0: no limit. May be given several times: `/reports=300` holds for that path and all below it, and the longest such path counts.",
    read: readTimeout,
  }),
  gracefulTimeout: option({
    name: "graceful-timeout",
    placeholder: "SECONDS",
    fallback: "25",
    help: "for running requests when the server stops",
    doc: "How long running requests may take to finish when the server stops. The default is below the 30 s that containers are commonly given.",
    read: seconds(0),
  }),
  keepAlive: option({
    name: "keep-alive",
    placeholder: "SECONDS",
    fallback: "75",
    help: "an idle connection stays open",
    doc: "How long a connection without a request stays open. Behind a proxy it should be longer than the proxy keeps its connections.",
    read: seconds(0),
  }),
  queueTimeout: option({
    name: "queue-timeout",
    placeholder: "SECONDS",
    fallback: "5",
    help: "a request may wait for a worker",
    doc: "How long a request may wait until a worker takes it; then it is answered with 503 and Retry-After.",
    read: seconds(0.001),
  }),
  startTimeout: option({
    name: "start-timeout",
    placeholder: "SECONDS",
    fallback: "120",
    help: "for a worker to load the application",
    doc: "How long a new worker may take to load the application and to warm up; then it is killed, and the start or the reload has failed.",
    read: seconds(0.1),
  }),
} as const;
