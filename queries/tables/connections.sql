-- title = "Connections"
-- answers = "One row for each TCP connection attempt (a SYN with its repetitions) and what followed, or for each pair of addresses and ports of other protocols. attempt 0 holds what came before the first SYN in the log. Needs addresses."
-- [[columns]]
-- name = "connection_id"
-- unit = ""
-- [[columns]]
-- name = "attempt"
-- unit = ""
-- help = "1 for the first SYN; ports are used again."
-- [[columns]]
-- name = "l4_protocol"
-- unit = ""
-- [[columns]]
-- name = "client"
-- unit = ""
-- [[columns]]
-- name = "client_namespace"
-- unit = ""
-- [[columns]]
-- name = "client_ip"
-- unit = ""
-- [[columns]]
-- name = "client_port"
-- unit = ""
-- [[columns]]
-- name = "server"
-- unit = ""
-- [[columns]]
-- name = "server_namespace"
-- unit = ""
-- [[columns]]
-- name = "server_ip"
-- unit = ""
-- [[columns]]
-- name = "server_port"
-- unit = ""
-- [[columns]]
-- name = "first_ns"
-- unit = "time"
-- help = "First line."
-- [[columns]]
-- name = "last_ns"
-- unit = "time"
-- help = "Last line."
-- [[columns]]
-- name = "lines"
-- unit = "count"
-- help = "Flow lines."
-- [[columns]]
-- name = "syns"
-- unit = "count"
-- help = "Distinct SYN packets; NULL unless TCP."
-- [[columns]]
-- name = "syn_ns"
-- unit = "time"
-- help = "First SYN."
-- [[columns]]
-- name = "last_syn_ns"
-- unit = "time"
-- help = "Last SYN."
-- [[columns]]
-- name = "answer_ns"
-- unit = "time"
-- help = "First sign that the server answered."
-- [[columns]]
-- name = "last_reply_ns"
-- unit = "time"
-- help = "Last reply that was not dropped."
-- [[columns]]
-- name = "state"
-- unit = ""
-- help = "answered, refused, dropped or unanswered; NULL without a SYN, or where an answer could not have been seen."
-- [[columns]]
-- name = "reset_by"
-- unit = ""
-- help = "client or server: who sent the first reset."
-- [[columns]]
-- name = "reset_ns"
-- unit = "time"
-- help = "When."
-- [[columns]]
-- name = "fin_ns"
-- unit = "time"
-- help = "First FIN."
-- [[columns]]
-- name = "drop_ns"
-- unit = "time"
-- help = "First dropped packet."
-- [[columns]]
-- name = "audited"
-- unit = ""
-- help = "1 if a policy in audit mode would have denied it."
WITH lines AS (
  SELECT
    time_ns, direction, verdict, l4_protocol, connection_id,
    client, client_namespace, client_ip, client_port, server, server_namespace, server_ip, server_port,
    CASE WHEN client_is_outside OR client_identity IN (1, 6, 7) THEN 1 ELSE 0 END AS client_is_no_pod,
    CASE WHEN server_is_outside OR server_identity IN (1, 6, 7) THEN 1 ELSE 0 END AS server_is_no_pod,
    CASE
      WHEN direction = 'forward' AND tcp_flags LIKE '%SYN%' AND tcp_flags NOT LIKE '%ACK%' THEN 1
      ELSE 0
    END AS is_syn,
    CASE WHEN tcp_flags LIKE '%RST%' THEN 1 ELSE 0 END AS is_rst,
    CASE WHEN tcp_flags LIKE '%FIN%' THEN 1 ELSE 0 END AS is_fin
  FROM flows
  WHERE connection_id IS NOT NULL
    AND coalesce(flow_type, '') NOT IN ('SOCK', 'L7')
    AND coalesce(verdict, '') NOT IN ('TRACED', 'TRANSLATED')
    AND l7_type IS NULL
),
-- Lines of one SYN at several points and nodes are milliseconds apart; a repeated SYN comes after a second or more.
syns AS (
  SELECT
    *,
    lag(time_ns) OVER (PARTITION BY connection_id, is_syn ORDER BY time_ns) AS previous_ns,
    -- A FIN, a reset or a packet after the handshake: the client is done with its earlier SYN.
    max(CASE WHEN is_syn = 0 AND (is_rst = 1 OR is_fin = 1 OR direction = 'forward') THEN time_ns END) OVER (
      PARTITION BY connection_id ORDER BY time_ns, is_syn ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS done_ns
  FROM lines
),
-- Ports are used again, so a SYN may begin another connection. Linux waits at most 64 s between repetitions.
starts AS (
  SELECT
    *,
    CASE
      WHEN is_syn = 1 AND (previous_ns IS NULL OR time_ns - previous_ns >= 500000000) THEN 1
      ELSE 0
    END AS is_new_syn,
    CASE
      WHEN is_syn = 1 AND previous_ns IS NULL THEN 1
      WHEN is_syn = 1 AND time_ns - previous_ns >= 500000000
        AND (coalesce(done_ns >= previous_ns, FALSE) OR time_ns - previous_ns > 65000000000) THEN 1
      ELSE 0
    END AS is_start
  FROM syns
),
numbered AS (
  SELECT
    *,
    sum(is_start) OVER (
      PARTITION BY connection_id ORDER BY time_ns, -(is_start + is_syn)
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS attempt
  FROM starts
),
grouped AS (
  SELECT
    connection_id,
    attempt,
    max(l4_protocol) AS l4_protocol,
    -- Lines of one connection may name an end differently: a namespace/name is best, a name better than an address.
    coalesce(max(CASE WHEN client LIKE '%/%' THEN client END), max(client)) AS client,
    max(client_namespace) AS client_namespace,
    max(client_ip) AS client_ip,
    max(client_port) AS client_port,
    coalesce(max(CASE WHEN server LIKE '%/%' THEN server END), max(server)) AS server,
    max(server_namespace) AS server_namespace,
    max(server_ip) AS server_ip,
    max(server_port) AS server_port,
    min(time_ns) AS first_ns,
    max(time_ns) AS last_ns,
    count(*) AS lines,
    sum(is_new_syn) AS syns,
    min(CASE WHEN is_syn = 1 THEN time_ns END) AS syn_ns,
    max(CASE WHEN is_new_syn = 1 THEN time_ns END) AS last_syn_ns,
    -- Whatever shows that the server answered: SYN, ACK, a reply, or a packet that a client sends only after it.
    min(CASE WHEN is_syn = 0 AND is_rst = 0 AND direction <> 'unknown' AND coalesce(verdict, '') <> 'DROPPED'
      THEN time_ns END) AS answer_ns,
    min(CASE WHEN is_rst = 1 AND direction = 'forward' THEN time_ns END) AS client_reset_ns,
    min(CASE WHEN is_rst = 1 AND direction = 'reply' THEN time_ns END) AS server_reset_ns,
    min(CASE WHEN is_fin = 1 THEN time_ns END) AS fin_ns,
    min(CASE WHEN verdict = 'DROPPED' THEN time_ns END) AS drop_ns,
    max(CASE WHEN direction = 'reply' AND coalesce(verdict, '') <> 'DROPPED' THEN time_ns END) AS last_reply_ns,
    max(CASE WHEN direction = 'unknown' THEN 0 ELSE 1 END) AS known,
    min(client_is_no_pod) AS client_is_no_pod,
    min(server_is_no_pod) AS server_is_no_pod,
    max(CASE WHEN verdict = 'AUDIT' THEN 1 ELSE 0 END) AS audited
  FROM numbered
  GROUP BY connection_id, attempt
),
-- Lines that do not say their direction may be the replies of a connection of which others do.
reversed AS (
  SELECT DISTINCT
    l4_protocol AS known_protocol, client_ip AS known_client_ip, coalesce(client_port, 0) AS known_client_port,
    server_ip AS known_server_ip, coalesce(server_port, 0) AS known_server_port
  FROM grouped
  WHERE known = 1
)
SELECT
  connection_id, attempt, l4_protocol, client, client_namespace, client_ip, client_port,
  server, server_namespace, server_ip, server_port, first_ns, last_ns, lines,
  CASE WHEN l4_protocol = 'TCP' THEN syns END AS syns,
  syn_ns,
  last_syn_ns,
  CASE WHEN l4_protocol = 'TCP' THEN answer_ns END AS answer_ns,
  last_reply_ns,
  CASE
    WHEN l4_protocol <> 'TCP' OR syns = 0 THEN NULL
    WHEN answer_ns IS NOT NULL THEN 'answered'
    WHEN server_reset_ns IS NOT NULL THEN 'refused'
    WHEN drop_ns IS NOT NULL THEN 'dropped'
    -- Between nodes and the outside, answers pass without being reported: no evidence.
    WHEN client_is_no_pod = 1 AND server_is_no_pod = 1 THEN NULL
    ELSE 'unanswered'
  END AS state,
  CASE
    WHEN client_reset_ns IS NULL AND server_reset_ns IS NULL THEN NULL
    WHEN server_reset_ns IS NULL OR client_reset_ns < server_reset_ns THEN 'client'
    ELSE 'server'
  END AS reset_by,
  CASE
    WHEN server_reset_ns IS NULL OR client_reset_ns < server_reset_ns THEN client_reset_ns
    ELSE server_reset_ns
  END AS reset_ns,
  fin_ns,
  drop_ns,
  audited
FROM grouped
LEFT JOIN reversed
  ON l4_protocol = known_protocol
  AND client_ip = known_server_ip AND coalesce(client_port, 0) = known_server_port
  AND server_ip = known_client_ip AND coalesce(server_port, 0) = known_client_port
WHERE known = 1 OR known_protocol IS NULL
