// All trials, in the order in which they are done and shown.

import { CLIENT_LEAVES } from "./trials/client-leaves.ts";
import { CLIENT_TOLD } from "./trials/client-told.ts";
import { CRASH_LOOP } from "./trials/crash-loop.ts";
import { CRASH } from "./trials/crash.ts";
import { DEADLINE } from "./trials/deadline.ts";
import { DESCRIPTORS } from "./trials/descriptors.ts";
import { DRAIN } from "./trials/drain.ts";
import { FRONT_KILLED } from "./trials/front-killed.ts";
import { LOG_TARGETS } from "./trials/log-targets.ts";
import { OVERLOAD } from "./trials/overload.ts";
import { RECYCLING } from "./trials/recycling.ts";
import { RELOAD } from "./trials/reload.ts";
import { RETRY } from "./trials/retry.ts";
import { TEMP_SPACE } from "./trials/temp-space.ts";
import { TOKENS } from "./trials/tokens.ts";
import type { Trial } from "./trial.ts";

export const TRIALS: readonly Trial[] = [
  ...DEADLINE,
  ...CRASH,
  ...CRASH_LOOP,
  ...RETRY,
  ...RELOAD,
  ...DRAIN,
  ...OVERLOAD,
  ...CLIENT_LEAVES,
  ...CLIENT_TOLD,
  ...RECYCLING,
  ...FRONT_KILLED,
  ...TOKENS,
  ...TEMP_SPACE,
  ...DESCRIPTORS,
  ...LOG_TARGETS,
];
