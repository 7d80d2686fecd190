-- title = "Would be denied"
-- answers = "What policies in audit mode let pass but would deny when enforced."
-- theme = "policy"
-- weight = 88
-- audience = ["compliance"]
-- chart = "bar"
-- notes = "Lines with the verdict AUDIT, several lines of one connection taken once."
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
-- name = "denied_by"
-- unit = ""
-- help = "Policies that explicitly deny it; NULL where no policy allows it."
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
WITH lines AS (
  SELECT
    time_ns, client, server, server_port, traffic_direction, denied_by, connection_id,
    CASE WHEN l7_type IS NULL THEN l4_protocol ELSE coalesce(l7_protocol, l4_protocol) END AS protocol,
    CASE WHEN l7_type IS NULL THEN 0 ELSE 1 END AS is_l7
  FROM flows
  WHERE verdict = 'AUDIT' AND coalesce(l7_type, '') <> 'RESPONSE'
)
SELECT
  client, server, server_port, protocol, traffic_direction, denied_by,
  count(DISTINCT CASE WHEN is_l7 = 0 THEN connection_id END)
    + sum(CASE WHEN is_l7 = 1 OR connection_id IS NULL THEN 1 ELSE 0 END) AS attempts,
  min(time_ns) AS first_seen,
  max(time_ns) AS last_seen
FROM lines
GROUP BY client, server, server_port, protocol, traffic_direction, denied_by
ORDER BY attempts DESC, client NULLS LAST, server NULLS LAST, server_port NULLS LAST, protocol NULLS LAST,
  traffic_direction NULLS LAST, denied_by NULLS LAST
LIMIT $limit
