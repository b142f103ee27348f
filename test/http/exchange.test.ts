// Exchanges on an engine without a wire.

import { startMemoryEngine } from "../support/exchange-engines.ts";
import { testExchanges } from "./exchange-suite.ts";

testExchanges("in memory", startMemoryEngine);
