-- title = "Top drop reasons"
-- answers = "Why packets were dropped, how often, and when first and last."
-- theme = "drops"
-- weight = 85
-- audience = ["incident", "compliance"]
-- chart = "bar"
-- notes = "A drop event is one dropped packet; the policy verdict of the same packet is not counted again, and retries are packets of their own. A request denied at layer 7 counts as one, with the reason L7_DENIED. Events lost by the agent make the numbers lower bounds."
-- needs = "drops"
-- [defaults]
-- limit = 20
-- [[columns]]
-- name = "reason"
-- unit = ""
-- help = "Hubble's drop reason; L7_DENIED for a request denied by a layer 7 policy; UNKNOWN where the log does not say."
-- [[columns]]
-- name = "drops"
-- unit = "count"
-- help = "Dropped packets and denied requests."
-- [[columns]]
-- name = "share"
-- unit = "ratio"
-- help = "Of all drops."
-- [[columns]]
-- name = "clients"
-- unit = "count"
-- help = "Distinct clients."
-- [[columns]]
-- name = "servers"
-- unit = "count"
-- help = "Distinct servers."
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
    reason,
    count(*) AS drops,
    count(DISTINCT client) AS clients,
    count(DISTINCT server) AS servers,
    min(time_ns) AS first_seen,
    max(time_ns) AS last_seen
  FROM drops
  GROUP BY reason
)
SELECT
  reason, drops, CAST(drops AS DOUBLE) / sum(drops) OVER () AS share, clients, servers, first_seen, last_seen
FROM counted
ORDER BY drops DESC, reason
LIMIT $limit
