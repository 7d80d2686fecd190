-- title = "Unanswered SYNs by service"
-- answers = "Which services leave TCP connection attempts unanswered."
-- theme = "tcp"
-- weight = 73
-- audience = ["incident"]
-- chart = "bar"
-- notes = "A connection attempt is one SYN with its repetitions; SYNs seen at several points and nodes are one. An attempt without an answer that began in the last moments (grace) is pending and in no other number. An answer counts wherever it is seen. Attempts between nodes and the outside, with no pod at either end, are not judged when no answer was seen, as Cilium does not report it."
-- needs = "tcp flags"
-- [defaults]
-- limit = 20
-- [parameters.grace]
-- type = "duration"
-- default = "5s"
-- help = "What began this short a time before the end of the data is not called unanswered."
-- [[columns]]
-- name = "server"
-- unit = ""
-- help = "Best name of the server."
-- [[columns]]
-- name = "server_port"
-- unit = ""
-- help = "Port of the server."
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
-- name = "first_seen"
-- unit = "time"
-- help = "When it was first seen."
-- [[columns]]
-- name = "last_seen"
-- unit = "time"
-- help = "When it was last seen."
WITH counted AS (
  SELECT
    server, server_port,
    count(*) AS connections,
    sum(CASE WHEN state = 'answered' THEN 1 ELSE 0 END) AS answered,
    sum(CASE WHEN state = 'refused' THEN 1 ELSE 0 END) AS refused,
    sum(CASE WHEN state = 'dropped' THEN 1 ELSE 0 END) AS dropped,
    sum(CASE WHEN state = 'dropped' THEN 0 ELSE 1 END) AS undropped,
    sum(CASE WHEN state = 'unanswered' THEN 1 ELSE 0 END) AS unanswered,
    min(CASE WHEN state = 'unanswered' THEN syn_ns END) AS first_seen,
    max(CASE WHEN state = 'unanswered' THEN last_syn_ns END) AS last_seen
  FROM connections
  WHERE state IN ('answered', 'refused', 'dropped') OR (state = 'unanswered' AND syn_ns <= $until - $grace)
  GROUP BY server, server_port
)
SELECT
  server, server_port, connections, answered, refused, dropped, unanswered,
  CASE WHEN undropped > 0 THEN CAST(unanswered AS DOUBLE) / undropped END AS unanswered_ratio,
  first_seen, last_seen
FROM counted
ORDER BY unanswered DESC, unanswered_ratio DESC NULLS LAST, connections DESC, server NULLS LAST, server_port NULLS LAST
LIMIT $limit
