-- title = "TCP timeouts"
-- answers = "Which connections timed out or opened only after repeated SYNs."
-- theme = "tcp"
-- weight = 72
-- audience = ["incident"]
-- chart = "bar"
-- notes = "A connection attempt is one SYN with its repetitions (same addresses and ports, no end between, at most 65 s apart). Attempts whose packets were dropped on the way are left out (see policy-denied and top-drop-reasons). Nothing is called timed out that began less than the grace before the end. With monitor aggregation not every repeated SYN is reported."
-- needs = "tcp flags"
-- [defaults]
-- limit = 20
-- [parameters.grace]
-- type = "duration"
-- default = "5s"
-- help = "What began this short a time before the end of the data is not called unanswered."
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
-- name = "timed_out"
-- unit = "count"
-- help = "Attempts never answered."
-- [[columns]]
-- name = "late"
-- unit = "count"
-- help = "Attempts answered only after the SYN was repeated."
-- [[columns]]
-- name = "syns"
-- unit = "count"
-- help = "SYN packets of both."
-- [[columns]]
-- name = "longest_wait_ns"
-- unit = "ns"
-- help = "Longest time from first SYN to the answer, or to the last SYN where none came."
-- [[columns]]
-- name = "connections"
-- unit = "count"
-- help = "All judged attempts between the two on this port."
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
    client, server, server_port, syns, syn_ns, first_ns,
    CASE WHEN state = 'unanswered' THEN 1 ELSE 0 END AS timed_out,
    -- Answered after the second SYN, which comes a second after the first.
    CASE WHEN state = 'answered' AND syns > 1 AND answer_ns - syn_ns >= 500000000 THEN 1 ELSE 0 END AS late,
    CASE WHEN state = 'unanswered' THEN last_syn_ns - syn_ns ELSE answer_ns - syn_ns END AS wait_ns
  FROM connections
  WHERE state IN ('answered', 'refused') OR (state = 'unanswered' AND syn_ns <= $until - $grace)
),
counted AS (
  SELECT
    client, server, server_port,
    sum(timed_out) AS timed_out,
    sum(late) AS late,
    sum(CASE WHEN timed_out = 1 OR late = 1 THEN syns ELSE 0 END) AS syns,
    max(CASE WHEN timed_out = 1 OR late = 1 THEN wait_ns END) AS longest_wait_ns,
    count(*) AS connections,
    min(CASE WHEN timed_out = 1 OR late = 1 THEN syn_ns END) AS first_seen,
    max(CASE WHEN timed_out = 1 OR late = 1 THEN syn_ns END) AS last_seen
  FROM judged
  GROUP BY client, server, server_port
)
SELECT
  client, server, server_port, timed_out, late, syns, longest_wait_ns, connections, first_seen, last_seen
FROM counted
WHERE timed_out > 0 OR late > 0
ORDER BY timed_out DESC, late DESC, client NULLS LAST, server NULLS LAST, server_port NULLS LAST
LIMIT $limit
