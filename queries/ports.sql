-- title = "Ports"
-- answers = "Which server ports are used, by how many, and how often."
-- theme = "overview"
-- weight = 32
-- audience = ["incident", "compliance"]
-- chart = "bar"
-- notes = "connections are distinct TCP connections or distinct address and port pairs of other protocols. Lines whose direction is not known are left out, as their server port is a guess."
-- [defaults]
-- limit = 20
-- [[columns]]
-- name = "server_port"
-- unit = ""
-- help = "Port of the server."
-- [[columns]]
-- name = "l4_protocol"
-- unit = ""
-- help = "TCP, UDP, ICMPv4, …"
-- [[columns]]
-- name = "servers"
-- unit = "count"
-- help = "Distinct servers."
-- [[columns]]
-- name = "clients"
-- unit = "count"
-- help = "Distinct clients."
-- [[columns]]
-- name = "connections"
-- unit = "count"
-- help = "Distinct connections."
-- [[columns]]
-- name = "dropped"
-- unit = "count"
-- help = "Of them, with dropped packets."
-- [[columns]]
-- name = "first_seen"
-- unit = "time"
-- help = "When it was first seen."
-- [[columns]]
-- name = "last_seen"
-- unit = "time"
-- help = "When it was last seen."
SELECT
  server_port, l4_protocol,
  count(DISTINCT server) AS servers,
  count(DISTINCT client) AS clients,
  count(DISTINCT connection_id) AS connections,
  count(DISTINCT CASE WHEN verdict = 'DROPPED' AND l7_type IS NULL THEN connection_id END) AS dropped,
  min(time_ns) AS first_seen,
  max(time_ns) AS last_seen
FROM flows
WHERE coalesce(flow_type, '') <> 'SOCK'
  AND coalesce(verdict, '') NOT IN ('TRACED', 'TRANSLATED')
  AND direction <> 'unknown'
  AND server_port IS NOT NULL
GROUP BY server_port, l4_protocol
ORDER BY connections DESC, server_port, l4_protocol NULLS LAST
LIMIT $limit
