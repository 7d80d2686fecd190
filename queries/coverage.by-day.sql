-- title = "Coverage by day"
-- answers = "How complete the log of each node is, day by day."
-- theme = "overview"
-- weight = 56
-- audience = ["compliance"]
-- chart = "stacked"
-- notes = "Days are those of UTC, cut to the window. Every node that wrote a line in the window has a row for every day of it, also for days without a line; a node that wrote nothing at all has none. Every flow line counts, socket traces too. A minute without a line may be a gap in the archive or a quiet node: the log cannot tell. Lost events are told under the day of the last of them; a report of losses without any time is in coverage alone. Windows of more than 10,000 days are cut."
-- [defaults]
-- limit = 10000
-- [[columns]]
-- name = "day"
-- unit = "time"
-- help = "Start of the day, UTC."
-- [[columns]]
-- name = "node_name"
-- unit = ""
-- help = "The observing node."
-- [[columns]]
-- name = "lines"
-- unit = "count"
-- help = "Flow lines."
-- [[columns]]
-- name = "minutes"
-- unit = "count"
-- help = "Minutes with a line."
-- [[columns]]
-- name = "window_minutes"
-- unit = "count"
-- help = "Minutes of the day that the window touches."
-- [[columns]]
-- name = "lost"
-- unit = "count"
-- help = "Events that the agent reports as lost."
-- [[columns]]
-- name = "share"
-- unit = "ratio"
-- help = "Minutes with a line, of those of the window."
-- [[columns]]
-- name = "longest_silence_ns"
-- unit = "ns"
-- help = "Longest time without a line within the day and the window, from their beginning and to their end too."
-- [[columns]]
-- name = "first_seen"
-- unit = "time"
-- help = "First line of the day."
-- [[columns]]
-- name = "last_seen"
-- unit = "time"
-- help = "Last line of the day."
WITH digits AS (
  SELECT 0 AS digit UNION ALL SELECT 1 AS digit UNION ALL SELECT 2 AS digit UNION ALL SELECT 3 AS digit
  UNION ALL SELECT 4 AS digit UNION ALL SELECT 5 AS digit UNION ALL SELECT 6 AS digit UNION ALL SELECT 7 AS digit
  UNION ALL SELECT 8 AS digit UNION ALL SELECT 9 AS digit
),
hundred AS (
  SELECT CAST(tens.digit AS BIGINT) * 10 + ones.digit AS number FROM digits AS tens CROSS JOIN digits AS ones
),
days AS (
  SELECT $since - $since % 86400000000000 + (high.number * 100 + low.number) * 86400000000000 AS day
  FROM hundred AS high
  CROSS JOIN hundred AS low
),
bounds AS (
  SELECT
    day AS due_day,
    CASE WHEN day < $since THEN $since ELSE day END AS start_ns,
    CASE WHEN day + 86400000000000 > $until THEN $until ELSE day + 86400000000000 END AS end_ns,
    -- The last moment of the day, for its minute.
    CASE WHEN day + 86399999999999 > $until THEN $until ELSE day + 86399999999999 END AS last_ns
  FROM days
  WHERE day <= $until
),
gaps AS (
  SELECT
    coalesce(node_name, '') AS node, time_ns, time_ns - time_ns % 86400000000000 AS day,
    time_ns - lag(time_ns) OVER (
      PARTITION BY coalesce(node_name, ''), time_ns - time_ns % 86400000000000 ORDER BY time_ns
    ) AS silence_ns
  FROM flows
  WHERE time_ns IS NOT NULL
),
seen AS (
  SELECT
    node AS seen_node, day AS seen_day,
    count(*) AS lines,
    count(DISTINCT time_ns - time_ns % 60000000000) AS minutes,
    min(time_ns) AS first_seen,
    max(time_ns) AS last_seen,
    max(silence_ns) AS silence_ns
  FROM gaps
  GROUP BY node, day
),
nodes AS (
  SELECT
    seen_node AS due_node,
    CASE WHEN seen_node LIKE '%/%' THEN split_part(seen_node, '/', 2) ELSE seen_node END AS bare_node
  FROM seen
  GROUP BY seen_node
),
due AS (
  SELECT due_day, start_ns, end_ns, last_ns, due_node, bare_node FROM bounds CROSS JOIN nodes
),
-- Lost events name the node alone, flows `cluster/node` where the cluster has a name.
reports AS (
  SELECT
    CASE
      WHEN coalesce(node_name, '') LIKE '%/%' THEN split_part(node_name, '/', 2)
      ELSE coalesce(node_name, '')
    END AS missed_node,
    coalesce(lost_last_ns, time_ns) AS lost_ns,
    lost_count
  FROM lost_events
),
dated AS (
  SELECT missed_node, CASE WHEN lost_ns > $until THEN $until ELSE lost_ns END AS missed_ns, lost_count
  FROM reports
  WHERE lost_ns IS NOT NULL
),
missed AS (
  SELECT missed_node, missed_ns - missed_ns % 86400000000000 AS missed_day, sum(lost_count) AS lost
  FROM dated
  GROUP BY missed_node, missed_ns - missed_ns % 86400000000000
),
measured AS (
  SELECT
    due_day, due_node, lines, minutes, lost, first_seen, last_seen,
    -- Whole minutes, so that rounding hides nothing of the division.
    CAST(floor(CAST((last_ns - last_ns % 60000000000) - (start_ns - start_ns % 60000000000) AS DOUBLE)
      / 60000000000 + 1.5) AS BIGINT) AS window_minutes,
    greatest(
      coalesce(silence_ns, 0),
      coalesce(first_seen - start_ns, end_ns - start_ns),
      coalesce(end_ns - last_seen, 0)
    ) AS longest_silence_ns
  FROM due
  LEFT JOIN seen ON due_day = seen_day AND due_node = seen_node
  LEFT JOIN missed ON due_day = missed_day AND bare_node = missed_node
)
SELECT
  due_day AS day,
  CASE WHEN due_node <> '' THEN due_node END AS node_name,
  coalesce(lines, 0) AS lines,
  coalesce(minutes, 0) AS minutes,
  window_minutes,
  coalesce(lost, 0) AS lost,
  CAST(coalesce(minutes, 0) AS DOUBLE) / window_minutes AS share,
  longest_silence_ns, first_seen, last_seen
FROM measured
ORDER BY day, node_name NULLS LAST
LIMIT $limit
