-- title = "Drop reasons by pair"
-- answers = "Who was hit by drops: client, server, port and reason."
-- theme = "drops"
-- weight = 84
-- audience = ["incident", "compliance"]
-- chart = "bar"
-- notes = "A drop event is one dropped packet; the policy verdict of the same packet is not counted again, and retries are packets of their own. A request denied at layer 7 counts as one, with the reason L7_DENIED. Events lost by the agent make the numbers lower bounds. Drop events often do not say which way the packet went; where nothing else tells, direction is unknown and the client is the source."
-- needs = "drops"
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
-- name = "server_port"
-- unit = ""
-- help = "Port of the server."
-- [[columns]]
-- name = "l4_protocol"
-- unit = ""
-- help = "TCP, UDP, ICMPv4, …"
-- [[columns]]
-- name = "direction"
-- unit = ""
-- help = "Of the dropped packets: forward to the server, reply, or unknown."
-- [[columns]]
-- name = "reason"
-- unit = ""
-- help = "Hubble's drop reason; L7_DENIED for a request denied by a layer 7 policy."
-- [[columns]]
-- name = "drops"
-- unit = "count"
-- help = "Dropped packets and denied requests."
-- [[columns]]
-- name = "first_seen"
-- unit = "time"
-- help = "When it was first seen."
-- [[columns]]
-- name = "last_seen"
-- unit = "time"
-- help = "When it was last seen."
SELECT
  client, server, server_port, l4_protocol, direction, reason,
  count(*) AS drops,
  min(time_ns) AS first_seen,
  max(time_ns) AS last_seen
FROM drops
GROUP BY client, server, server_port, l4_protocol, direction, reason
ORDER BY drops DESC, client NULLS LAST, server NULLS LAST, server_port NULLS LAST, l4_protocol NULLS LAST,
  direction NULLS LAST, reason
LIMIT $limit
