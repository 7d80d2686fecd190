-- title = "DNS failures"
-- answers = "Which names could not be resolved, by whom, and how it failed."
-- theme = "dns"
-- weight = 82
-- audience = ["incident"]
-- chart = "bar"
-- notes = "A lookup is one name and type asked from one client port; repeated questions are the same lookup. NXDOMAIN for a name made by the resolver's search path is left out when the client asked for a later form of the name too: only the last form counts, and nothing when that one resolves, or when only forms in the cluster's domain were seen (a node's DNS cache asks another server for the rest). An empty NOERROR answer is no failure. A dropped packet to port 53 that no lookup tells of has no name. Without layer 7 DNS visibility only these dropped packets are known."
-- needs = "l7 dns"
-- [defaults]
-- limit = 20
-- last = "5m"
-- [parameters.grace]
-- type = "duration"
-- default = "5s"
-- help = "What began this short a time before the end of the data is not called unanswered."
-- [[columns]]
-- name = "client"
-- unit = ""
-- help = "Best name of the client."
-- [[columns]]
-- name = "name"
-- unit = ""
-- help = "Name asked for, lower case, without the trailing dot; NULL for packets dropped before anybody read the name."
-- [[columns]]
-- name = "outcome"
-- unit = ""
-- help = "NXDOMAIN, SERVFAIL, REFUSED, … , no answer, or dropped."
-- [[columns]]
-- name = "failures"
-- unit = "count"
-- help = "Failed lookups, or dropped packets where name is NULL."
-- [[columns]]
-- name = "lookups"
-- unit = "count"
-- help = "All lookups of this name by this client."
-- [[columns]]
-- name = "share"
-- unit = "ratio"
-- help = "Failures of lookups."
-- [[columns]]
-- name = "first_seen"
-- unit = "time"
-- help = "When it was first seen."
-- [[columns]]
-- name = "last_seen"
-- unit = "time"
-- help = "When it was last seen."
WITH judged AS (
  SELECT
    client, name, outcome, time_ns, last_ns,
    count(*) OVER (PARTITION BY client, name) AS lookups,
    CASE
      WHEN superseded = 1 OR outcome IN ('NOERROR', 'NODATA') THEN 0
      WHEN outcome = 'no answer' AND request_ns > $until - $grace THEN 0
      ELSE 1
    END AS failed
  FROM lookups
),
readers AS (
  SELECT DISTINCT client_ip AS reader_ip, client_port AS reader_port FROM lookups
),
failures AS (
  SELECT
    client, name, outcome, count(*) AS failures, max(lookups) AS lookups,
    min(time_ns) AS first_seen, max(last_ns) AS last_seen
  FROM judged
  WHERE failed = 1
  GROUP BY client, name, outcome
  UNION ALL
  -- Dropped before a proxy read the name.
  SELECT
    client, CAST(NULL AS STRING) AS name, 'dropped' AS outcome, count(*) AS failures, NULL AS lookups,
    min(time_ns) AS first_seen, max(time_ns) AS last_seen
  FROM drops
  LEFT JOIN readers ON client_ip = reader_ip AND client_port = reader_port
  WHERE layer = 'L3-L4' AND server_port = 53 AND reader_ip IS NULL
  GROUP BY client
)
SELECT
  client, name, outcome, failures, lookups, CAST(failures AS DOUBLE) / lookups AS share, first_seen, last_seen
FROM failures
ORDER BY failures DESC, client NULLS LAST, name NULLS LAST, outcome
LIMIT $limit
