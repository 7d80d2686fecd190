-- title = "Drops over time"
-- answers = "How many packets were dropped in each stretch of time, by reason."
-- theme = "drops"
-- weight = 76
-- audience = ["incident"]
-- chart = "stacked"
-- notes = "A drop event is one dropped packet; the policy verdict of the same packet is not counted again, and retries are packets of their own. A request denied at layer 7 counts as one, with the reason L7_DENIED. Events lost by the agent make the numbers lower bounds. Stretches without drops have no row."
-- needs = "drops"
-- [defaults]
-- limit = 1000
-- [parameters.bucket]
-- type = "duration"
-- default = "1m"
-- help = "Length of a stretch."
-- [[columns]]
-- name = "time"
-- unit = "time"
-- help = "Start of the stretch, a multiple of its length since 1970."
-- [[columns]]
-- name = "reason"
-- unit = ""
-- help = "Hubble's drop reason; L7_DENIED for a request denied by a layer 7 policy."
-- [[columns]]
-- name = "drops"
-- unit = "count"
-- help = "Dropped packets and denied requests."
SELECT time_ns - time_ns % $bucket AS time, reason, count(*) AS drops
FROM drops
GROUP BY time_ns - time_ns % $bucket, reason
ORDER BY time, reason
LIMIT $limit
