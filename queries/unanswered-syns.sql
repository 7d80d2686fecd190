-- title = "Unanswered SYNs"
-- answers = "What share of TCP connection attempts got no answer."
-- theme = "tcp"
-- weight = 74
-- audience = ["incident"]
-- chart = "none"
-- notes = "A connection attempt is one SYN with its repetitions; SYNs seen at several points and nodes are one. An attempt without an answer that began in the last moments (grace) is pending and in no other number. An answer counts wherever it is seen. Attempts between nodes and the outside, with no pod at either end, are not judged when no answer was seen, as Cilium does not report it."
-- needs = "tcp flags"
-- [defaults]
-- limit = 1
-- [parameters.grace]
-- type = "duration"
-- default = "5s"
-- help = "What began this short a time before the end of the data is not called unanswered."
-- [[columns]]
-- name = "connections"
-- unit = "count"
-- help = "Connection attempts: a SYN with its repetitions."
-- [[columns]]
-- name = "answered"
-- unit = "count"
-- help = "Of them, answered with SYN, ACK."
-- [[columns]]
-- name = "refused"
-- unit = "count"
-- help = "Answered with a reset."
-- [[columns]]
-- name = "dropped"
-- unit = "count"
-- help = "Stopped by a drop."
-- [[columns]]
-- name = "unanswered"
-- unit = "count"
-- help = "None of these."
-- [[columns]]
-- name = "unanswered_ratio"
-- unit = "ratio"
-- help = "Unanswered of all attempts that were not dropped."
-- [[columns]]
-- name = "pending"
-- unit = "count"
-- help = "Too close to the end to be judged."
WITH judged AS (
  SELECT
    state,
    CASE WHEN state = 'unanswered' AND syn_ns > $until - $grace THEN 1 ELSE 0 END AS pending
  FROM connections
  WHERE state IS NOT NULL
),
counted AS (
  SELECT
    sum(CASE WHEN pending = 0 THEN 1 ELSE 0 END) AS connections,
    sum(CASE WHEN state = 'answered' THEN 1 ELSE 0 END) AS answered,
    sum(CASE WHEN state = 'refused' THEN 1 ELSE 0 END) AS refused,
    sum(CASE WHEN state = 'dropped' THEN 1 ELSE 0 END) AS dropped,
    sum(CASE WHEN state = 'unanswered' AND pending = 0 THEN 1 ELSE 0 END) AS unanswered,
    sum(pending) AS pending
  FROM judged
)
SELECT
  connections, answered, refused, dropped, unanswered,
  CASE WHEN connections > dropped THEN CAST(unanswered AS DOUBLE) / (connections - dropped) END AS unanswered_ratio,
  pending
FROM counted
WHERE connections IS NOT NULL
LIMIT $limit
