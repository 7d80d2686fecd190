-- title = "Service map"
-- answers = "Who talks to whom, on which port, how often, and how well."
-- theme = "map"
-- weight = 50
-- audience = ["incident", "compliance"]
-- chart = "none"
-- notes = "connections are distinct TCP connections (by SYN; those opened earlier count once) or distinct address and port pairs of other protocols, none where only layer 7 lines are in the log; requests are layer 7 requests at one proxy. Several lines of one packet, on several points and nodes, are one. error_share is of requests (HTTP 5xx, DNS failures other than NXDOMAIN, Kafka errors, denied) where there are any, else of TCP connections with their SYN in the log (dropped, refused, unanswered)."
-- [defaults]
-- limit = 100
-- [parameters.hide_noise]
-- type = "boolean"
-- default = false
-- help = "Leave out port 53, health checks and what comes from nodes."
-- [parameters.grace]
-- type = "duration"
-- default = "5s"
-- help = "What began this short a time before the end of the data is not called unanswered."
-- [[columns]]
-- name = "client"
-- unit = ""
-- help = "Best name of the client."
-- [[columns]]
-- name = "server"
-- unit = ""
-- help = "Best name of the server."
-- [[columns]]
-- name = "server_port"
-- unit = ""
-- help = "Port of the server."
-- [[columns]]
-- name = "l4_protocol"
-- unit = ""
-- help = "TCP, UDP, ICMPv4, …"
-- [[columns]]
-- name = "l7_protocol"
-- unit = ""
-- help = "http, dns or kafka, where a proxy saw it."
-- [[columns]]
-- name = "connections"
-- unit = "count"
-- help = "Distinct connections."
-- [[columns]]
-- name = "requests"
-- unit = "count"
-- help = "Layer 7 requests."
-- [[columns]]
-- name = "dropped"
-- unit = "count"
-- help = "Dropped packets and denied requests."
-- [[columns]]
-- name = "audited"
-- unit = "count"
-- help = "Connections that a policy in audit mode would have denied."
-- [[columns]]
-- name = "error_share"
-- unit = "ratio"
-- help = "Failed requests, or failed connections where there are no requests."
WITH parts AS (
  SELECT
    client, server, server_port, l4_protocol, CAST(NULL AS STRING) AS l7_protocol,
    CAST(count(*) AS BIGINT) AS connections, 0 AS requests, 0 AS dropped, CAST(sum(audited) AS BIGINT) AS audited,
    CAST(sum(CASE
      WHEN state IN ('answered', 'refused', 'dropped') THEN 1
      WHEN state = 'unanswered' AND syn_ns <= $until - $grace THEN 1
      ELSE 0
    END) AS BIGINT) AS judged,
    CAST(sum(CASE
      WHEN state IN ('refused', 'dropped') THEN 1
      WHEN state = 'unanswered' AND syn_ns <= $until - $grace THEN 1
      ELSE 0
    END) AS BIGINT) AS unopened,
    0 AS failed
  FROM connections
  GROUP BY client, server, server_port, l4_protocol
  UNION ALL
  SELECT
    client, server, server_port, l4_protocol, 'http' AS l7_protocol,
    0 AS connections, CAST(count(*) AS BIGINT) AS requests, 0 AS dropped, 0 AS audited, 0 AS judged, 0 AS unopened,
    CAST(sum(CASE WHEN denied = 1 OR code >= 500 THEN 1 ELSE 0 END) AS BIGINT) AS failed
  FROM requests
  GROUP BY client, server, server_port, l4_protocol
  UNION ALL
  SELECT
    client, server, server_port, l4_protocol, 'dns' AS l7_protocol,
    0 AS connections, CAST(count(*) AS BIGINT) AS requests, 0 AS dropped, 0 AS audited, 0 AS judged, 0 AS unopened,
    CAST(sum(CASE
      WHEN outcome IN ('NOERROR', 'NODATA', 'NXDOMAIN') THEN 0
      WHEN outcome = 'no answer' AND request_ns > $until - $grace THEN 0
      ELSE 1
    END) AS BIGINT) AS failed
  FROM lookups
  GROUP BY client, server, server_port, l4_protocol
  UNION ALL
  SELECT
    client, server, server_port, l4_protocol, 'kafka' AS l7_protocol,
    0 AS connections, CAST(count(*) AS BIGINT) AS requests, 0 AS dropped, 0 AS audited, 0 AS judged, 0 AS unopened,
    CAST(sum(CASE WHEN denied = 1 OR failed = 1 THEN 1 ELSE 0 END) AS BIGINT) AS failed
  FROM kafka_requests
  GROUP BY client, server, server_port, l4_protocol
  UNION ALL
  SELECT
    client, server, server_port, l4_protocol, CAST(NULL AS STRING) AS l7_protocol,
    0 AS connections, 0 AS requests, CAST(count(*) AS BIGINT) AS dropped, 0 AS audited, 0 AS judged, 0 AS unopened,
    0 AS failed
  FROM drops
  GROUP BY client, server, server_port, l4_protocol
),
edges AS (
  SELECT
    client, server, server_port, l4_protocol,
    min(l7_protocol) AS l7_protocol,
    sum(connections) AS connections,
    sum(requests) AS requests,
    sum(dropped) AS dropped,
    sum(audited) AS audited,
    CASE
      WHEN sum(requests) > 0 THEN CAST(sum(failed) AS DOUBLE) / sum(requests)
      WHEN sum(judged) > 0 THEN CAST(sum(unopened) AS DOUBLE) / sum(judged)
    END AS error_share
  FROM parts
  GROUP BY client, server, server_port, l4_protocol
)
SELECT
  client, server, server_port, l4_protocol, l7_protocol, connections, requests, dropped, audited, error_share
FROM edges
WHERE NOT $hide_noise
  OR (coalesce(server_port, 0) <> 53
    AND coalesce(client, '') NOT IN ('host', 'remote-node', 'health') AND coalesce(server, '') <> 'health')
ORDER BY connections DESC, requests DESC, dropped DESC, client NULLS LAST, server NULLS LAST, server_port NULLS LAST,
  l4_protocol NULLS LAST
LIMIT $limit
