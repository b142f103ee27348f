// Exchanges over HTTP/2: the suite of every engine.

import { testExchanges } from "../http/exchange-suite.ts";
import { startHttp2Engine } from "../support/exchange-engines.ts";

testExchanges("HTTP/2", startHttp2Engine);
