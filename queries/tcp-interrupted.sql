-- title = "Interrupted TCP connections"
-- answers = "Which connections were cut off, and by whom."
-- theme = "tcp"
-- weight = 71
-- audience = ["incident"]
-- chart = "bar"
-- notes = "A reset counts once a connection, by its sender; a reset after a FIN is an ordinary end and left out. Phase handshake means refused: the reset came before the connection was open. A drop counts when the connection had been answered and no reset came. A missing FIN is no evidence and not used."
-- needs = "tcp flags"
-- [defaults]
-- limit = 20
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
-- name = "interrupted_by"
-- unit = ""
-- help = "client or server (reset), or drop."
-- [[columns]]
-- name = "phase"
-- unit = ""
-- help = "handshake or established."
-- [[columns]]
-- name = "interrupted"
-- unit = "count"
-- help = "Connections cut off this way."
-- [[columns]]
-- name = "connections"
-- unit = "count"
-- help = "All connections between the two on this port."
-- [[columns]]
-- name = "share"
-- unit = "ratio"
-- help = "Interrupted of connections."
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
    client, server, server_port, reset_ns, drop_ns,
    count(*) OVER (PARTITION BY client, server, server_port) AS connections,
    CASE
      WHEN reset_by IS NOT NULL AND (fin_ns IS NULL OR reset_ns < fin_ns) THEN reset_by
      -- A stray drop interrupts nothing: no reply came after it.
      WHEN drop_ns > answer_ns AND fin_ns IS NULL AND coalesce(last_reply_ns < drop_ns, TRUE) THEN 'drop'
    END AS interrupted_by,
    CASE WHEN syns > 0 AND (answer_ns IS NULL OR reset_ns <= answer_ns) THEN 'handshake' ELSE 'established' END AS phase
  FROM connections
  WHERE l4_protocol = 'TCP'
),
counted AS (
  SELECT
    client, server, server_port, interrupted_by, phase,
    count(*) AS interrupted,
    max(connections) AS connections,
    min(CASE WHEN interrupted_by = 'drop' THEN drop_ns ELSE reset_ns END) AS first_seen,
    max(CASE WHEN interrupted_by = 'drop' THEN drop_ns ELSE reset_ns END) AS last_seen
  FROM judged
  WHERE interrupted_by IS NOT NULL
  GROUP BY client, server, server_port, interrupted_by, phase
)
SELECT
  client, server, server_port, interrupted_by, phase, interrupted, connections,
  CAST(interrupted AS DOUBLE) / connections AS share, first_seen, last_seen
FROM counted
ORDER BY interrupted DESC, client NULLS LAST, server NULLS LAST, server_port NULLS LAST, interrupted_by, phase
LIMIT $limit
