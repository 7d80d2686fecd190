-- title = "Lost events"
-- answers = "Where and when the agent lost events, so that every count is a lower bound."
-- theme = "overview"
-- weight = 58
-- audience = ["incident", "compliance"]
-- chart = "bar"
-- notes = "Numbers are what the agent reported; a record tells of losses since the record before. Events lost from the reader's own ring (HUBBLE_RING_BUFFER) were missed by the reader that wrote this log."
-- [defaults]
-- limit = 20
-- [[columns]]
-- name = "node_name"
-- unit = ""
-- help = "The node."
-- [[columns]]
-- name = "lost_source"
-- unit = ""
-- help = "PERF_EVENT_RING_BUFFER, OBSERVER_EVENTS_QUEUE or HUBBLE_RING_BUFFER."
-- [[columns]]
-- name = "lost"
-- unit = "count"
-- help = "Lost events."
-- [[columns]]
-- name = "records"
-- unit = "count"
-- help = "Records that tell of them."
-- [[columns]]
-- name = "first_seen"
-- unit = "time"
-- help = "First loss, as far as the records tell; else the first record."
-- [[columns]]
-- name = "last_seen"
-- unit = "time"
-- help = "Last loss, likewise."
SELECT
  node_name, lost_source,
  sum(lost_count) AS lost,
  count(*) AS records,
  min(coalesce(lost_first_ns, time_ns)) AS first_seen,
  max(coalesce(lost_last_ns, time_ns)) AS last_seen
FROM lost_events
GROUP BY node_name, lost_source
ORDER BY lost DESC NULLS LAST, node_name NULLS LAST, lost_source NULLS LAST
LIMIT $limit
