// All trials, in the order in which they are shown.

import { CGI } from "./trials/cgi.ts";
import { CLIENT_LEAVES } from "./trials/client-leaves.ts";
import { CLIENT_TOLD } from "./trials/client-told.ts";
import { CRASH_LOOP } from "./trials/crash-loop.ts";
import { CRASH } from "./trials/crash.ts";
import { DEADLINE_SCOPE } from "./trials/deadline-scope.ts";
import { DEADLINE } from "./trials/deadline.ts";
import { DESCRIPTORS } from "./trials/descriptors.ts";
import { DRAIN } from "./trials/drain.ts";
import { FILES } from "./trials/files.ts";
import { FIRST_PROCESS } from "./trials/first-process.ts";
import { FRONT_KILLED } from "./trials/front-killed.ts";
import { LOCAL_USERS } from "./trials/local-users.ts";
import { LOG_TARGETS } from "./trials/log-targets.ts";
import { MEMORY } from "./trials/memory.ts";
import { NEW_CODE } from "./trials/new-code.ts";
import { OUT_OF_MEMORY } from "./trials/out-of-memory.ts";
import { OVERLOAD } from "./trials/overload.ts";
import { PRELOAD } from "./trials/preload.ts";
import { QUEUE_TRIALS } from "./trials/queue.ts";
import { RECYCLING } from "./trials/recycling.ts";
import { RELOAD } from "./trials/reload.ts";
import { RETRY } from "./trials/retry.ts";
import { SITE } from "./trials/site.ts";
import { TEMP_SPACE } from "./trials/temp-space.ts";
import { TOKENS } from "./trials/tokens.ts";
import { WEB_SOCKET } from "./trials/web-socket.ts";
import type { Trial } from "./trial.ts";

export const TRIALS: readonly Trial[] = [
  ...DEADLINE,
  ...DEADLINE_SCOPE,
  ...CRASH,
  ...OUT_OF_MEMORY,
  ...CRASH_LOOP,
  ...RETRY,
  ...RELOAD,
  ...NEW_CODE,
  ...DRAIN,
  ...FIRST_PROCESS,
  ...OVERLOAD,
  ...QUEUE_TRIALS,
  ...CLIENT_LEAVES,
  ...CLIENT_TOLD,
  ...RECYCLING,
  ...PRELOAD,
  ...FRONT_KILLED,
  ...TOKENS,
  ...TEMP_SPACE,
  ...DESCRIPTORS,
  ...LOG_TARGETS,
  ...MEMORY,
  ...WEB_SOCKET,
  ...LOCAL_USERS,
  ...SITE,
  ...FILES,
  ...CGI,
];
