-- title = "Access from outside"
-- answers = "Which services were reached, or tried, from outside the cluster."
-- theme = "policy"
-- weight = 86
-- audience = ["compliance"]
-- chart = "none"
-- notes = "world and address range are identities outside the cluster. node: the client is a node, behind which a NodePort or load balancer with externalTrafficPolicy Cluster hides outside clients, but kubelet's probes too. ingress: through Cilium's ingress. unknown: an outside address and a packet whose direction is not known. That nothing is listed proves nothing for nodes and times that the log does not cover (see coverage)."
-- [defaults]
-- limit = 100
-- [parameters.nodes]
-- type = "boolean"
-- default = true
-- help = "Show what came from nodes too."
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
-- name = "origin"
-- unit = ""
-- help = "world, address range, ingress, kube-apiserver, node, or unknown."
-- [[columns]]
-- name = "client"
-- unit = ""
-- help = "Best name of the client."
-- [[columns]]
-- name = "addresses"
-- unit = "count"
-- help = "Distinct client addresses."
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
    server, server_port, l4_protocol, client, client_ip, connection_id, verdict, time_ns, direction, server_identity,
    CASE
      WHEN client_is_outside AND direction = 'unknown' THEN 'unknown'
      WHEN client_is_outside AND client_identity >= 16777216 THEN 'address range'
      -- A log without identities still has the label.
      WHEN client_is_outside OR (coalesce(client_identity, 0) = 0 AND client = 'world') THEN 'world'
      WHEN client_identity = 8 THEN 'ingress'
      WHEN client_identity = 7 THEN 'kube-apiserver'
      WHEN client_identity IN (1, 6) THEN 'node'
    END AS origin
  FROM flows
  WHERE coalesce(flow_type, '') <> 'SOCK'
    AND coalesce(verdict, '') NOT IN ('TRACED', 'TRANSLATED')
    AND NOT coalesce(server_is_outside, FALSE)
    AND coalesce(server, '') <> 'world'
),
counted AS (
  SELECT
    server, server_port, l4_protocol, origin, client,
    -- What is surely outside comes first.
    max(CASE WHEN origin IN ('world', 'address range') THEN 1 WHEN origin = 'unknown' THEN 3 ELSE 2 END) AS place,
    count(DISTINCT client_ip) AS addresses,
    count(DISTINCT connection_id) AS connections,
    count(DISTINCT CASE WHEN verdict = 'DROPPED' THEN connection_id END) AS dropped,
    min(time_ns) AS first_seen,
    max(time_ns) AS last_seen
  FROM lines
  WHERE origin IN ('world', 'address range', 'unknown')
    OR (direction <> 'unknown' AND origin IN ('ingress', 'kube-apiserver'))
    -- What nodes say to each other and to Cilium's health endpoint is not access to a service.
    OR ($nodes AND direction <> 'unknown' AND origin = 'node' AND coalesce(server_identity, 0) NOT IN (1, 4, 6))
  GROUP BY server, server_port, l4_protocol, origin, client
)
SELECT server, server_port, l4_protocol, origin, client, addresses, connections, dropped, first_seen, last_seen
FROM counted
ORDER BY place, origin DESC, connections DESC, server NULLS LAST, server_port NULLS LAST, l4_protocol NULLS LAST,
  client NULLS LAST
LIMIT $limit
