-- title = "DNS latency"
-- answers = "How long clients waited for DNS answers."
-- theme = "dns"
-- weight = 62
-- audience = ["incident"]
-- chart = "bar"
-- notes = "From the first question to the first answer, so a repeated question counts in full. Times are those of the DNS proxy on the client's node; lookups with only one side in the log are not measured."
-- needs = "l7 dns"
-- [defaults]
-- limit = 20
-- [[columns]]
-- name = "client"
-- unit = ""
-- help = "Best name of the client."
-- [[columns]]
-- name = "server"
-- unit = ""
-- help = "Best name of the DNS server."
-- [[columns]]
-- name = "lookups"
-- unit = "count"
-- help = "Answered lookups with both sides seen."
-- [[columns]]
-- name = "repeated"
-- unit = "count"
-- help = "Of them, asked more than once."
-- [[columns]]
-- name = "p50_ns"
-- unit = "ns"
-- help = "Median."
-- [[columns]]
-- name = "p95_ns"
-- unit = "ns"
-- help = "95th percentile."
-- [[columns]]
-- name = "p99_ns"
-- unit = "ns"
-- help = "99th percentile."
-- [[columns]]
-- name = "max_ns"
-- unit = "ns"
-- help = "Longest."
SELECT
  client, server,
  count(*) AS lookups,
  sum(CASE WHEN questions > 1 THEN 1 ELSE 0 END) AS repeated,
  CAST(floor(quantile_cont(latency_ns, 0.5) + 0.5) AS BIGINT) AS p50_ns,
  CAST(floor(quantile_cont(latency_ns, 0.95) + 0.5) AS BIGINT) AS p95_ns,
  CAST(floor(quantile_cont(latency_ns, 0.99) + 0.5) AS BIGINT) AS p99_ns,
  max(latency_ns) AS max_ns
FROM lookups
WHERE latency_ns IS NOT NULL
GROUP BY client, server
ORDER BY p95_ns DESC, lookups DESC, client NULLS LAST, server NULLS LAST
LIMIT $limit
