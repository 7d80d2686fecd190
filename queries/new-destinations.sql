-- title = "New destinations outside"
-- answers = "Which destinations outside the cluster were reached, or tried, for the first time after a baseline."
-- theme = "policy"
-- weight = 81
-- audience = ["incident", "compliance"]
-- chart = "none"
-- notes = "The baseline is the beginning of the window, $baseline long, or its first half. A destination is a name, port and protocol; without a name, an address. A line without a name takes the first by name that other lines give the same address. new says no more than that the baseline has no line of it: what is rarely reached, or was lost, looks new. Outside are the identities of the world and of address ranges; names come from the observing node's DNS cache (a DNS policy must have filled it). Packets whose direction is not known are left out."
-- [defaults]
-- limit = 100
-- [parameters.baseline]
-- type = "duration"
-- help = "How much of the window's beginning is the baseline; the first half when not given."
-- [[columns]]
-- name = "server"
-- unit = ""
-- help = "Name of the destination, or its address."
-- [[columns]]
-- name = "server_port"
-- unit = ""
-- help = "Port of the server."
-- [[columns]]
-- name = "l4_protocol"
-- unit = ""
-- help = "TCP, UDP, ICMPv4, …"
-- [[columns]]
-- name = "status"
-- unit = ""
-- help = "new: not in the baseline; known: in it."
-- [[columns]]
-- name = "first_client"
-- unit = ""
-- help = "Who reached it first."
-- [[columns]]
-- name = "clients"
-- unit = "count"
-- help = "Distinct clients."
-- [[columns]]
-- name = "connections"
-- unit = "count"
-- help = "Distinct connections or attempts."
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
WITH lines AS (
  SELECT
    time_ns, client, server_ip, server_port, l4_protocol, connection_id, verdict,
    -- The world is many places, and an address is no name.
    CASE WHEN server <> 'world' AND server <> coalesce(server_ip, '') THEN server END AS name
  FROM flows
  WHERE time_ns IS NOT NULL
    AND coalesce(flow_type, '') <> 'SOCK'
    AND coalesce(verdict, '') NOT IN ('TRACED', 'TRANSLATED')
    AND direction <> 'unknown'
    AND (server_is_outside OR (coalesce(server_identity, 0) = 0 AND server = 'world')) -- a log may lack identities
    AND NOT coalesce(client_is_outside, FALSE)
    AND coalesce(client, '') <> 'world'
),
names AS (
  SELECT server_ip AS named_ip, min(name) AS given_name
  FROM lines
  WHERE name IS NOT NULL AND server_ip IS NOT NULL
  GROUP BY server_ip
),
reached AS (
  SELECT
    time_ns, client, server_port, l4_protocol, connection_id, verdict,
    coalesce(name, given_name, server_ip, 'world') AS destination
  FROM lines
  LEFT JOIN names ON server_ip = named_ip
),
placed AS (
  SELECT
    *,
    row_number() OVER (
      PARTITION BY destination, server_port, l4_protocol
      ORDER BY time_ns, coalesce(client, ''), coalesce(connection_id, '')
    ) AS place
  FROM reached
),
summed AS (
  SELECT
    destination, server_port, l4_protocol,
    max(CASE WHEN place = 1 THEN client END) AS first_client,
    count(DISTINCT client) AS clients,
    count(DISTINCT connection_id) AS connections,
    count(DISTINCT CASE WHEN verdict = 'DROPPED' THEN connection_id END) AS dropped,
    min(time_ns) AS first_seen,
    max(time_ns) AS last_seen
  FROM placed
  GROUP BY destination, server_port, l4_protocol
),
judged AS (
  SELECT
    *,
    CASE
      WHEN $baseline IS NULL AND (first_seen - $since) * 2 < $until - $since THEN 'known'
      WHEN $baseline IS NOT NULL AND first_seen - $since < $baseline THEN 'known'
      ELSE 'new'
    END AS status
  FROM summed
)
SELECT
  destination AS server, server_port, l4_protocol, status, first_client, clients, connections, dropped, first_seen,
  last_seen
FROM judged
ORDER BY status DESC, first_seen, server, server_port NULLS LAST, l4_protocol NULLS LAST
LIMIT $limit
