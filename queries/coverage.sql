-- title = "Coverage"
-- answers = "Which nodes and times the log covers."
-- theme = "overview"
-- weight = 57
-- audience = ["compliance"]
-- chart = "none"
-- notes = "Every flow line counts, socket traces too. A silence may be a gap in the archive or a quiet node: the log cannot tell. A node that wrote nothing in the window has no row."
-- [defaults]
-- limit = 100
-- [[columns]]
-- name = "node_name"
-- unit = ""
-- help = "The observing node."
-- [[columns]]
-- name = "lines"
-- unit = "count"
-- help = "Flow lines."
-- [[columns]]
-- name = "first_seen"
-- unit = "time"
-- help = "When it was first seen."
-- [[columns]]
-- name = "last_seen"
-- unit = "time"
-- help = "When it was last seen."
-- [[columns]]
-- name = "longest_silence_ns"
-- unit = "ns"
-- help = "Longest time without a line, between two lines."
-- [[columns]]
-- name = "silence_since"
-- unit = "time"
-- help = "When it began."
-- [[columns]]
-- name = "missing_before_ns"
-- unit = "ns"
-- help = "From the start of the window to the first line."
-- [[columns]]
-- name = "missing_after_ns"
-- unit = "ns"
-- help = "From the last line to the end of the window."
-- [[columns]]
-- name = "lost"
-- unit = "count"
-- help = "Events that the agent reports as lost."
WITH gaps AS (
  SELECT
    node_name, time_ns,
    lag(time_ns) OVER (PARTITION BY node_name ORDER BY time_ns) AS previous_ns
  FROM flows
),
ranked AS (
  SELECT
    node_name, time_ns, previous_ns, time_ns - previous_ns AS silence_ns,
    -- The longest first, in ascending order: Polars takes one direction for all keys of a window.
    row_number() OVER (
      PARTITION BY node_name ORDER BY coalesce(previous_ns - time_ns, 0), time_ns
    ) AS place
  FROM gaps
),
-- Lost events name the node alone, flows `cluster/node` where the cluster has a name.
seen AS (
  SELECT
    node_name,
    CASE WHEN node_name LIKE '%/%' THEN split_part(node_name, '/', 2) ELSE node_name END AS node,
    count(*) AS lines,
    min(time_ns) AS first_seen,
    max(time_ns) AS last_seen,
    max(CASE WHEN place = 1 THEN silence_ns END) AS longest_silence_ns,
    max(CASE WHEN place = 1 THEN previous_ns END) AS silence_since
  FROM ranked
  GROUP BY node_name
),
missed AS (
  SELECT
    CASE WHEN node_name LIKE '%/%' THEN split_part(node_name, '/', 2) ELSE node_name END AS missed_node,
    sum(lost_count) AS lost
  FROM lost_events
  GROUP BY CASE WHEN node_name LIKE '%/%' THEN split_part(node_name, '/', 2) ELSE node_name END
)
SELECT
  node_name, lines, first_seen, last_seen, longest_silence_ns, silence_since,
  first_seen - $since AS missing_before_ns, $until - last_seen AS missing_after_ns, coalesce(lost, 0) AS lost
FROM seen
LEFT JOIN missed ON node = missed_node
ORDER BY node_name NULLS LAST
LIMIT $limit
