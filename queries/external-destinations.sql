-- title = "Destinations outside"
-- answers = "Which destinations outside the cluster were reached, or tried, and by whom."
-- theme = "policy"
-- weight = 68
-- audience = ["compliance"]
-- chart = "none"
-- notes = "Outside are the identities of the world and of address ranges. Names come from the observing node's DNS cache (a DNS policy must have filled it); without a name it is world or the address. Packets whose direction is not known are left out."
-- [defaults]
-- limit = 100
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
-- name = "addresses"
-- unit = "count"
-- help = "Distinct server addresses."
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
SELECT
  client, server, server_port, l4_protocol,
  count(DISTINCT server_ip) AS addresses,
  count(DISTINCT connection_id) AS connections,
  count(DISTINCT CASE WHEN verdict = 'DROPPED' THEN connection_id END) AS dropped,
  min(time_ns) AS first_seen,
  max(time_ns) AS last_seen
FROM flows
WHERE coalesce(flow_type, '') <> 'SOCK'
  AND coalesce(verdict, '') NOT IN ('TRACED', 'TRANSLATED')
  AND direction <> 'unknown'
  AND (server_is_outside OR (coalesce(server_identity, 0) = 0 AND server = 'world')) -- a log may lack identities
  AND NOT coalesce(client_is_outside, FALSE)
  AND coalesce(client, '') <> 'world'
GROUP BY client, server, server_port, l4_protocol
ORDER BY connections DESC, client NULLS LAST, server NULLS LAST, server_port NULLS LAST, l4_protocol NULLS LAST
LIMIT $limit
