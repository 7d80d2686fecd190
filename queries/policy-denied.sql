-- title = "Denied by network policy"
-- answers = "What network policies denied, to whom, and which policy."
-- theme = "policy"
-- weight = 92
-- audience = ["incident", "compliance"]
-- chart = "bar"
-- notes = "Drop events and policy verdicts with POLICY_DENIED, POLICY_DENY or AUTH_REQUIRED and requests denied at layer 7; the drop event and the verdict of one packet are one. Policies are named from Cilium 1.16 on and only for explicit denies."
-- needs = "policy verdicts"
-- [defaults]
-- limit = 50
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
-- name = "protocol"
-- unit = ""
-- help = "TCP, UDP, …, or http, dns, kafka for requests."
-- [[columns]]
-- name = "traffic_direction"
-- unit = ""
-- help = "EGRESS: denied by policies of the client's side; INGRESS: of the server's."
-- [[columns]]
-- name = "reason"
-- unit = ""
-- help = "POLICY_DENIED (nothing allows it), POLICY_DENY (a rule denies it), AUTH_REQUIRED, or L7_DENIED."
-- [[columns]]
-- name = "denied_by"
-- unit = ""
-- help = "Policies that explicitly deny it; NULL where no policy allows it (default deny) or the log does not say."
-- [[columns]]
-- name = "attempts"
-- unit = "count"
-- help = "Distinct connections, or requests at layer 7; retries of one connection are one attempt."
-- [[columns]]
-- name = "first_seen"
-- unit = "time"
-- help = "When it was first seen."
-- [[columns]]
-- name = "last_seen"
-- unit = "time"
-- help = "When it was last seen."
SELECT
  client, server, server_port, protocol, traffic_direction, reason, denied_by,
  count(DISTINCT CASE WHEN layer = 'L3-L4' THEN connection_id END)
    + sum(CASE WHEN layer = 'L7' OR connection_id IS NULL THEN 1 ELSE 0 END) AS attempts,
  min(time_ns) AS first_seen,
  max(time_ns) AS last_seen
FROM drops
WHERE layer = 'L7' OR reason IN ('POLICY_DENIED', 'POLICY_DENY', 'AUTH_REQUIRED')
GROUP BY client, server, server_port, protocol, traffic_direction, reason, denied_by
ORDER BY attempts DESC, client NULLS LAST, server NULLS LAST, server_port NULLS LAST, protocol NULLS LAST,
  traffic_direction NULLS LAST, reason, denied_by NULLS LAST
LIMIT $limit
