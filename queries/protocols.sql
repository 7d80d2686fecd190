-- title = "Protocols"
-- answers = "Which protocols the log holds."
-- theme = "overview"
-- weight = 30
-- audience = ["incident", "compliance"]
-- chart = "bar"
-- notes = "Lines of the log, not packets. Socket traces are left out. Layer 7 protocols appear only where a policy sends traffic through a proxy."
-- [defaults]
-- limit = 20
-- [[columns]]
-- name = "l4_protocol"
-- unit = ""
-- help = "TCP, UDP, ICMPv4, …; NULL where the line has none."
-- [[columns]]
-- name = "l7_protocol"
-- unit = ""
-- help = "http, dns or kafka; NULL for packets."
-- [[columns]]
-- name = "lines"
-- unit = "count"
-- help = "Flow lines."
-- [[columns]]
-- name = "share"
-- unit = "ratio"
-- help = "Of all lines."
-- [[columns]]
-- name = "connections"
-- unit = "count"
-- help = "Distinct connections."
-- [[columns]]
-- name = "first_seen"
-- unit = "time"
-- help = "When it was first seen."
-- [[columns]]
-- name = "last_seen"
-- unit = "time"
-- help = "When it was last seen."
WITH counted AS (
  SELECT
    l4_protocol, l7_protocol,
    count(*) AS lines,
    count(DISTINCT connection_id) AS connections,
    min(time_ns) AS first_seen,
    max(time_ns) AS last_seen
  FROM flows
  WHERE coalesce(flow_type, '') <> 'SOCK' AND coalesce(verdict, '') NOT IN ('TRACED', 'TRANSLATED')
  GROUP BY l4_protocol, l7_protocol
)
SELECT
  l4_protocol, l7_protocol, lines, CAST(lines AS DOUBLE) / sum(lines) OVER () AS share, connections,
  first_seen, last_seen
FROM counted
ORDER BY lines DESC, l4_protocol NULLS LAST, l7_protocol NULLS LAST
LIMIT $limit
