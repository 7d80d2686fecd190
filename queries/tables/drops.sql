-- title = "Dropped packets and denied requests"
-- answers = "One row for each drop event, each policy verdict DROPPED without one, and each request denied at layer 7."
-- [[columns]]
-- name = "time_ns"
-- unit = "time"
-- [[columns]]
-- name = "node_name"
-- unit = ""
-- [[columns]]
-- name = "layer"
-- unit = ""
-- help = "L3-L4 or L7."
-- [[columns]]
-- name = "reason"
-- unit = ""
-- help = "Hubble's drop reason; L7_DENIED for a denied request; UNKNOWN."
-- [[columns]]
-- name = "denied_by"
-- unit = ""
-- help = "Policies that explicitly deny it, taken from the verdict of the same connection."
-- [[columns]]
-- name = "direction"
-- unit = ""
-- [[columns]]
-- name = "traffic_direction"
-- unit = ""
-- [[columns]]
-- name = "client"
-- unit = ""
-- [[columns]]
-- name = "client_namespace"
-- unit = ""
-- [[columns]]
-- name = "client_ip"
-- unit = ""
-- [[columns]]
-- name = "client_port"
-- unit = ""
-- [[columns]]
-- name = "server"
-- unit = ""
-- [[columns]]
-- name = "server_namespace"
-- unit = ""
-- [[columns]]
-- name = "server_ip"
-- unit = ""
-- [[columns]]
-- name = "server_port"
-- unit = ""
-- [[columns]]
-- name = "l4_protocol"
-- unit = ""
-- [[columns]]
-- name = "protocol"
-- unit = ""
-- help = "l4_protocol, or http, dns, kafka of a request."
-- [[columns]]
-- name = "tcp_flags"
-- unit = ""
-- [[columns]]
-- name = "connection_id"
-- unit = ""
WITH lines AS (
  SELECT
    time_ns, node_name, direction, traffic_direction, tcp_flags, denied_by, connection_id,
    client, client_namespace, client_ip, client_port, server, server_namespace, server_ip, server_port, l4_protocol,
    CASE
      WHEN flow_type = 'L7' OR l7_type IS NOT NULL THEN coalesce(l7_protocol, l4_protocol)
      ELSE l4_protocol
    END AS protocol,
    CASE WHEN flow_type = 'L7' OR l7_type IS NOT NULL THEN 'L7' ELSE 'L3-L4' END AS layer,
    -- A denied request has no drop reason.
    CASE
      WHEN drop_reason_desc IS NOT NULL THEN drop_reason_desc
      WHEN drop_reason > 0 THEN CAST(drop_reason AS STRING)
      WHEN flow_type = 'L7' OR l7_type IS NOT NULL THEN 'L7_DENIED'
      ELSE 'UNKNOWN'
    END AS reason,
    CASE WHEN event_type = 5 THEN 1 ELSE 0 END AS is_verdict
  FROM flows
  WHERE verdict = 'DROPPED'
    AND coalesce(flow_type, '') <> 'SOCK'
    AND coalesce(l7_type, '') <> 'RESPONSE' -- what the proxy answers to a denied request
),
-- A denied packet gives a policy verdict and, microseconds later, a drop event. The verdict counts only where no drop
-- event of its connection is within 100 ms: a retry comes later than that, and no drop event is ever left out.
near AS (
  SELECT
    *,
    max(CASE WHEN is_verdict = 0 THEN time_ns END) OVER (
      PARTITION BY connection_id ORDER BY time_ns, is_verdict ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS drop_before_ns,
    min(CASE WHEN is_verdict = 0 THEN time_ns END) OVER (
      PARTITION BY connection_id ORDER BY -time_ns, is_verdict ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS drop_after_ns,
    -- Only the verdict names the policy.
    max(denied_by) OVER (PARTITION BY connection_id, reason) AS named_by
  FROM lines
)
SELECT
  time_ns, node_name, layer, reason,
  CASE WHEN connection_id IS NULL THEN denied_by ELSE coalesce(denied_by, named_by) END AS denied_by,
  direction, traffic_direction, client, client_namespace, client_ip, client_port,
  server, server_namespace, server_ip, server_port, l4_protocol, protocol, tcp_flags, connection_id
FROM near
WHERE is_verdict = 0
  OR connection_id IS NULL
  OR (
    coalesce(time_ns - drop_before_ns, 100000000) >= 100000000
    AND coalesce(drop_after_ns - time_ns, 100000000) >= 100000000
  )
