-- For wrk. The arguments "BYTES count" or "JSON text" make it post a body. Prints the outcome as one line
-- of JSON, latencies in microseconds. There is no function response() on purpose: it would cost wrk more
-- than the request itself, and wrk counts statuses above 399 without it.

function init(args)
   if args[1] == "BYTES" then
      wrk.method = "POST"
      wrk.body = string.rep("x", tonumber(args[2]))
   elseif args[1] == "JSON" then
      wrk.method = "POST"
      wrk.headers["Content-Type"] = "application/json"
      wrk.body = args[2]
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
