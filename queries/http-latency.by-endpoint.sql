-- title = "HTTP latency by endpoint"
-- answers = "How long each method and path took."
-- theme = "http"
-- weight = 64
-- audience = ["incident"]
-- chart = "bar"
-- notes = "Each request is counted at one proxy: the server's (INGRESS) where it reports, else the client's. p50 to p99 are times between request and response at that proxy; recorded_ columns are what the proxy wrote itself, which is wrong where one X-Request-Id passes several hops of a node. An absent latency is unknown, not 0. Neither holds the network between client and proxy. The path is the URL without scheme, host, query and fragment."
-- needs = "l7 http"
-- [defaults]
-- limit = 20
-- [[columns]]
-- name = "server"
-- unit = ""
-- help = "Best name of the server."
-- [[columns]]
-- name = "method"
-- unit = ""
-- help = "HTTP method."
-- [[columns]]
-- name = "path"
-- unit = ""
-- help = "Path of the URL, without host and query."
-- [[columns]]
-- name = "responses"
-- unit = "count"
-- help = "Responses."
-- [[columns]]
-- name = "paired"
-- unit = "count"
-- help = "Of them, with their request in the log."
-- [[columns]]
-- name = "p50_ns"
-- unit = "ns"
-- help = "Median of the pairs."
-- [[columns]]
-- name = "p95_ns"
-- unit = "ns"
-- help = "95th percentile of the pairs."
-- [[columns]]
-- name = "p99_ns"
-- unit = "ns"
-- help = "99th percentile of the pairs."
-- [[columns]]
-- name = "recorded"
-- unit = "count"
-- help = "Responses with a latency of their own."
-- [[columns]]
-- name = "recorded_p95_ns"
-- unit = "ns"
-- help = "95th percentile of those."
SELECT
  server, method, path,
  count(*) AS responses,
  count(paired_ns) AS paired,
  CAST(floor(quantile_cont(paired_ns, 0.5) + 0.5) AS BIGINT) AS p50_ns,
  CAST(floor(quantile_cont(paired_ns, 0.95) + 0.5) AS BIGINT) AS p95_ns,
  CAST(floor(quantile_cont(paired_ns, 0.99) + 0.5) AS BIGINT) AS p99_ns,
  count(recorded_ns) AS recorded,
  CAST(floor(quantile_cont(recorded_ns, 0.95) + 0.5) AS BIGINT) AS recorded_p95_ns
FROM requests
WHERE response_ns IS NOT NULL AND denied = 0
GROUP BY server, method, path
ORDER BY p95_ns DESC NULLS LAST, recorded_p95_ns DESC NULLS LAST, responses DESC, server NULLS LAST,
  method NULLS LAST, path NULLS LAST
LIMIT $limit
