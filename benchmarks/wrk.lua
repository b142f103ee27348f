-- For wrk. The arguments "BYTES count" or "JSON text" make it post a body; "FILES count" makes it ask for
-- many/00/00.html, many/00/01.html and so on in a scattered order. Prints the outcome as one line
-- of JSON, latencies in microseconds. There is no function response() on purpose: it would cost wrk more
-- than the request itself, and wrk counts statuses above 399 without it.

local function askForFiles(count)
   local requests = {}
   for at = 0, count - 1 do
      local name = string.format("/static/many/%02d/%02d.html", math.floor(at / 100), at % 100)
      requests[at] = wrk.format("GET", name)
   end
   local at = 0
   -- A global function of this name makes wrk ask it for each request.
   function request()
      -- A prime beside the count: every file comes once a round, neighbours far apart.
      at = (at + 7919) % count
      return requests[at]
   end
end

function init(args)
   if args[1] == "BYTES" then
      wrk.method = "POST"
      wrk.body = string.rep("x", tonumber(args[2]))
   elseif args[1] == "JSON" then
      wrk.method = "POST"
      wrk.headers["Content-Type"] = "application/json"
      wrk.body = args[2]
   elseif args[1] == "FILES" then
      askForFiles(tonumber(args[2]))
   end
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '\n{"requests":%d,"micros":%d,"bytes":%d,"p50":%d,"p99":%d,"max":%d,' ..
      '"refused":%d,"socketErrors":%d,"timeouts":%d}\n',
      summary.requests, summary.duration, summary.bytes,
      latency:percentile(50), latency:percentile(99), latency.max,
      errors.status, errors.connect + errors.read + errors.write, errors.timeout))
end
