-- title = "ICMP"
-- answers = "Which ICMP messages were sent, by whom to whom."
-- theme = "overview"
-- weight = 28
-- audience = ["incident"]
-- chart = "none"
-- notes = "Lines of one message less than 100 ms apart are one packet, so floods are undercounted. Where the direction is not known (all but echo) client is the sender."
-- [defaults]
-- limit = 20
-- [[columns]]
-- name = "client"
-- unit = ""
-- help = "Best name of the client."
-- [[columns]]
-- name = "server"
-- unit = ""
-- help = "Best name of the server."
-- [[columns]]
-- name = "l4_protocol"
-- unit = ""
-- help = "TCP, UDP, ICMPv4, …"
-- [[columns]]
-- name = "icmp_type"
-- unit = ""
-- help = "ICMP type."
-- [[columns]]
-- name = "icmp_code"
-- unit = ""
-- help = "ICMP code."
-- [[columns]]
-- name = "meaning"
-- unit = ""
-- help = "What type and code stand for."
-- [[columns]]
-- name = "packets"
-- unit = "count"
-- help = "Packets, at least."
-- [[columns]]
-- name = "dropped"
-- unit = "count"
-- help = "Dropped packets."
-- [[columns]]
-- name = "first_seen"
-- unit = "time"
-- help = "When it was first seen."
-- [[columns]]
-- name = "last_seen"
-- unit = "time"
-- help = "When it was last seen."
WITH lines AS (
  SELECT
    client, server, l4_protocol, icmp_type, icmp_code, source_ip, destination_ip, time_ns,
    CASE WHEN verdict = 'DROPPED' THEN 1 ELSE 0 END AS is_dropped,
    time_ns - lag(time_ns) OVER (
      PARTITION BY l4_protocol, source_ip, destination_ip, icmp_type, icmp_code ORDER BY time_ns
    ) AS gap_ns
  FROM flows
  WHERE l4_protocol IN ('ICMPv4', 'ICMPv6')
    AND coalesce(flow_type, '') <> 'SOCK'
    AND coalesce(verdict, '') NOT IN ('TRACED', 'TRANSLATED')
),
starts AS (
  SELECT *, CASE WHEN gap_ns < 100000000 THEN 0 ELSE 1 END AS is_start FROM lines
),
numbered AS (
  SELECT
    *,
    sum(is_start) OVER (
      PARTITION BY l4_protocol, source_ip, destination_ip, icmp_type, icmp_code ORDER BY time_ns, -is_start
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS packet
  FROM starts
),
packets AS (
  SELECT
    max(client) AS client, max(server) AS server, l4_protocol, icmp_type, icmp_code,
    max(is_dropped) AS is_dropped, min(time_ns) AS first_ns, max(time_ns) AS last_ns
  FROM numbered
  GROUP BY l4_protocol, source_ip, destination_ip, icmp_type, icmp_code, packet
),
counted AS (
  SELECT
    client, server, l4_protocol, icmp_type, icmp_code,
    count(*) AS packets,
    sum(is_dropped) AS dropped,
    min(first_ns) AS first_seen,
    max(last_ns) AS last_seen
  FROM packets
  GROUP BY client, server, l4_protocol, icmp_type, icmp_code
)
SELECT
  client, server, l4_protocol, icmp_type, icmp_code,
  CASE
    WHEN l4_protocol = 'ICMPv4' AND icmp_type = 0 THEN 'echo reply'
    WHEN l4_protocol = 'ICMPv4' AND icmp_type = 3 AND icmp_code = 0 THEN 'network unreachable'
    WHEN l4_protocol = 'ICMPv4' AND icmp_type = 3 AND icmp_code = 1 THEN 'host unreachable'
    WHEN l4_protocol = 'ICMPv4' AND icmp_type = 3 AND icmp_code = 3 THEN 'port unreachable'
    WHEN l4_protocol = 'ICMPv4' AND icmp_type = 3 AND icmp_code = 4 THEN 'fragmentation needed'
    WHEN l4_protocol = 'ICMPv4' AND icmp_type = 3 AND icmp_code IN (9, 10, 13) THEN 'prohibited'
    WHEN l4_protocol = 'ICMPv4' AND icmp_type = 3 THEN 'destination unreachable'
    WHEN l4_protocol = 'ICMPv4' AND icmp_type = 5 THEN 'redirect'
    WHEN l4_protocol = 'ICMPv4' AND icmp_type = 8 THEN 'echo request'
    WHEN l4_protocol = 'ICMPv4' AND icmp_type = 11 THEN 'time exceeded'
    WHEN l4_protocol = 'ICMPv6' AND icmp_type = 1 AND icmp_code = 0 THEN 'no route'
    WHEN l4_protocol = 'ICMPv6' AND icmp_type = 1 AND icmp_code = 1 THEN 'prohibited'
    WHEN l4_protocol = 'ICMPv6' AND icmp_type = 1 AND icmp_code = 3 THEN 'address unreachable'
    WHEN l4_protocol = 'ICMPv6' AND icmp_type = 1 AND icmp_code = 4 THEN 'port unreachable'
    WHEN l4_protocol = 'ICMPv6' AND icmp_type = 1 THEN 'destination unreachable'
    WHEN l4_protocol = 'ICMPv6' AND icmp_type = 2 THEN 'packet too big'
    WHEN l4_protocol = 'ICMPv6' AND icmp_type = 3 THEN 'time exceeded'
    WHEN l4_protocol = 'ICMPv6' AND icmp_type = 128 THEN 'echo request'
    WHEN l4_protocol = 'ICMPv6' AND icmp_type = 129 THEN 'echo reply'
    WHEN l4_protocol = 'ICMPv6' AND icmp_type = 133 THEN 'router solicitation'
    WHEN l4_protocol = 'ICMPv6' AND icmp_type = 134 THEN 'router advertisement'
    WHEN l4_protocol = 'ICMPv6' AND icmp_type = 135 THEN 'neighbor solicitation'
    WHEN l4_protocol = 'ICMPv6' AND icmp_type = 136 THEN 'neighbor advertisement'
  END AS meaning,
  packets, dropped, first_seen, last_seen
FROM counted
ORDER BY packets DESC, client NULLS LAST, server NULLS LAST, l4_protocol, icmp_type, icmp_code
LIMIT $limit
