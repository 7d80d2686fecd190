-- title = "Latency between two services"
-- answers = "How long one service waits for another."
-- theme = "http"
-- weight = 60
-- audience = ["incident"]
-- chart = "none"
-- notes = "Both ways, A as client and B as client. http: request to response at one proxy; tcp: SYN to SYN, ACK at one node, the client's where it is in the log, connections with a repeated SYN left out; dns: question to answer. Only the first packets of a connection are certain to be in the log, and monitor times carry delays of up to milliseconds."
-- [defaults]
-- limit = 20
-- [parameters.a]
-- type = "text"
-- positional = true
-- help = "A service, namespace/name or name."
-- [parameters.b]
-- type = "text"
-- positional = true
-- help = "The other."
-- [[columns]]
-- name = "client"
-- unit = ""
-- help = "Best name of the client."
-- [[columns]]
-- name = "server"
-- unit = ""
-- help = "Best name of the server."
-- [[columns]]
-- name = "measure"
-- unit = ""
-- help = "http, http recorded, dns or tcp."
-- [[columns]]
-- name = "samples"
-- unit = "count"
-- help = "Measured pairs."
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
-- [[columns]]
-- name = "first_seen"
-- unit = "time"
-- help = "When it was first seen."
-- [[columns]]
-- name = "last_seen"
-- unit = "time"
-- help = "When it was last seen."
WITH syns AS (
  SELECT
    connection_id AS syn_connection, node_name, time_ns,
    CASE WHEN direction = 'forward' THEN time_ns END AS sent_ns,
    CASE WHEN direction = 'reply' THEN time_ns END AS answered_ns
  FROM flows
  WHERE tcp_flags LIKE '%SYN%'
    AND verdict <> 'DROPPED'
    AND ((direction = 'forward' AND tcp_flags NOT LIKE '%ACK%') OR (direction = 'reply' AND tcp_flags LIKE '%ACK%'))
),
-- Clocks differ, so both ends of a measurement come from one node. The client's node sees the longest time, as only
-- there the way through the network is in it.
by_node AS (
  SELECT
    connection_id, attempt, node_name,
    max(client) AS client, max(server) AS server, min(first_ns) AS time_ns,
    min(answered_ns) - min(sent_ns) AS duration_ns
  FROM connections
  JOIN syns ON connection_id = syn_connection
  WHERE state = 'answered' AND syns = 1 AND syns.time_ns >= first_ns AND syns.time_ns <= last_ns
  GROUP BY connection_id, attempt, node_name
),
measured AS (
  SELECT client, server, 'tcp' AS measure, min(time_ns) AS time_ns, max(duration_ns) AS duration_ns
  FROM by_node
  WHERE duration_ns >= 0
  GROUP BY connection_id, attempt, client, server
  UNION ALL
  SELECT client, server, 'http' AS measure, time_ns, paired_ns AS duration_ns
  FROM requests
  WHERE paired_ns IS NOT NULL AND denied = 0
  UNION ALL
  SELECT client, server, 'http recorded' AS measure, time_ns, CAST(recorded_ns AS BIGINT) AS duration_ns
  FROM requests
  WHERE recorded_ns IS NOT NULL AND denied = 0
  UNION ALL
  SELECT client, server, 'dns' AS measure, time_ns, latency_ns AS duration_ns
  FROM lookups
  WHERE latency_ns IS NOT NULL
)
SELECT
  client, server, measure,
  count(*) AS samples,
  CAST(floor(quantile_cont(duration_ns, 0.5) + 0.5) AS BIGINT) AS p50_ns,
  CAST(floor(quantile_cont(duration_ns, 0.95) + 0.5) AS BIGINT) AS p95_ns,
  CAST(floor(quantile_cont(duration_ns, 0.99) + 0.5) AS BIGINT) AS p99_ns,
  max(duration_ns) AS max_ns,
  min(time_ns) AS first_seen,
  max(time_ns) AS last_seen
FROM measured
WHERE ((client = $a OR split_part(client, '/', 2) = $a) AND (server = $b OR split_part(server, '/', 2) = $b))
  OR ((client = $b OR split_part(client, '/', 2) = $b) AND (server = $a OR split_part(server, '/', 2) = $a))
GROUP BY client, server, measure
ORDER BY client, server, measure
LIMIT $limit
