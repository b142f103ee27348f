-- For wrk: posts a body where asked (arguments: method, bytes) and prints the outcome as one line of
-- JSON. There is no response() on purpose: it would cost wrk more than the request itself; wrk counts
-- statuses beyond 399 on its own. Latencies in microseconds.

function init(args)
   if args[1] then
      wrk.method = args[1]
      wrk.body = string.rep("x", tonumber(args[2]))
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
