-- title = "Verdicts"
-- answers = "Which verdicts the log holds."
-- theme = "overview"
-- weight = 40
-- audience = ["incident", "compliance"]
-- chart = "bar"
-- notes = "Lines of the log, not packets: one packet may have several. Socket traces (TRACED, TRANSLATED) are shown but not part of the shares."
-- [defaults]
-- limit = 20
-- [[columns]]
-- name = "verdict"
-- unit = ""
-- help = "FORWARDED, DROPPED, …; NULL where the line has none."
-- [[columns]]
-- name = "flow_type"
-- unit = ""
-- help = "L3_L4, L7 or SOCK."
-- [[columns]]
-- name = "lines"
-- unit = "count"
-- help = "Flow lines."
-- [[columns]]
-- name = "share"
-- unit = "ratio"
-- help = "Of all lines without socket traces."
-- [[columns]]
-- name = "connections"
-- unit = "count"
-- help = "Distinct connections."
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
    verdict, flow_type,
    count(*) AS lines,
    count(DISTINCT connection_id) AS connections,
    min(time_ns) AS first_seen,
    max(time_ns) AS last_seen
  FROM flows
  GROUP BY verdict, flow_type
),
marked AS (
  SELECT
    *,
    CASE
      WHEN coalesce(flow_type, '') = 'SOCK' OR coalesce(verdict, '') IN ('TRACED', 'TRANSLATED') THEN 1
      ELSE 0
    END AS is_trace
  FROM counted
)
SELECT
  verdict, flow_type, lines,
  CASE
    WHEN is_trace = 0 THEN CAST(lines AS DOUBLE) / sum(CASE WHEN is_trace = 0 THEN lines ELSE 0 END) OVER ()
  END AS share,
  connections, first_seen, last_seen
FROM marked
ORDER BY lines DESC, verdict NULLS LAST, flow_type NULLS LAST
LIMIT $limit
