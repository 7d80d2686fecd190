-- title = "DNS lookups"
-- answers = "One row for each lookup: a name and type asked from one client port, with repetitions and the answer."
-- apart = ["client_ip"]
-- [[columns]]
-- name = "time_ns"
-- unit = "time"
-- help = "First line."
-- [[columns]]
-- name = "last_ns"
-- unit = "time"
-- help = "Last line."
-- [[columns]]
-- name = "request_ns"
-- unit = "time"
-- help = "First question."
-- [[columns]]
-- name = "response_ns"
-- unit = "time"
-- help = "First answer."
-- [[columns]]
-- name = "latency_ns"
-- unit = "ns"
-- help = "Between them."
-- [[columns]]
-- name = "questions"
-- unit = "count"
-- help = "Times asked."
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
-- name = "server_ip"
-- unit = ""
-- [[columns]]
-- name = "server_port"
-- unit = ""
-- [[columns]]
-- name = "l4_protocol"
-- unit = ""
-- [[columns]]
-- name = "name"
-- unit = ""
-- help = "Lower case, without the trailing dot."
-- [[columns]]
-- name = "qtype"
-- unit = ""
-- [[columns]]
-- name = "rcode"
-- unit = ""
-- help = "Best of the answers."
-- [[columns]]
-- name = "outcome"
-- unit = ""
-- help = "NOERROR, NODATA, NXDOMAIN, SERVFAIL, … , no answer, or dropped."
-- [[columns]]
-- name = "superseded"
-- unit = ""
-- help = "1 for a form of the name that the resolver's search path made and another form decides."
WITH lines AS (
  SELECT
    time_ns, client, client_namespace, client_ip, client_port, server, server_ip, server_port, l4_protocol, dns_rcode,
    dns_has_answer,
    CASE WHEN dns_query LIKE '%.' THEN lower(left(dns_query, length(dns_query) - 1)) ELSE lower(dns_query) END AS name,
    dns_qtype AS qtype,
    CASE WHEN l7_type = 'REQUEST' THEN 1 ELSE 0 END AS is_request,
    CASE WHEN verdict = 'DROPPED' THEN 1 ELSE 0 END AS is_dropped
  FROM flows
  WHERE l7_protocol = 'dns' AND l7_type IN ('REQUEST', 'RESPONSE') AND coalesce(flow_type, '') <> 'SOCK'
),
-- Nearly every client, port, name and type has one question and the answer to it.
sized AS (
  SELECT
    *,
    count(*) OVER (PARTITION BY client_ip, client_port, name, qtype) AS key_lines,
    sum(is_request) OVER (PARTITION BY client_ip, client_port, name, qtype) AS key_requests,
    min(CASE WHEN is_request = 1 THEN time_ns END) OVER (
      PARTITION BY client_ip, client_port, name, qtype
    ) AS key_request_ns,
    min(CASE WHEN is_request = 0 THEN time_ns END) OVER (
      PARTITION BY client_ip, client_port, name, qtype
    ) AS key_response_ns
  FROM lines
),
sorted_out AS (
  SELECT
    *,
    CASE
      WHEN key_lines = 1 THEN 1
      WHEN key_lines = 2 AND key_requests = 1 AND key_request_ns <= key_response_ns
        AND key_response_ns - key_request_ns <= 30000000000 THEN 1
      ELSE 0
    END AS is_plain
  FROM sized
),
-- Of the others: the resolver repeats a question from the same port, to the same or another server; two proxies may
-- report one question. All that is one lookup, until an answer is followed by a new question, or nothing came for 30 s.
ordered AS (
  SELECT
    *,
    time_ns - lag(time_ns) OVER (
      PARTITION BY client_ip, client_port, name, qtype ORDER BY time_ns, -is_request) AS gap_ns,
    lag(is_request) OVER (
      PARTITION BY client_ip, client_port, name, qtype ORDER BY time_ns, -is_request) AS after_request,
    time_ns - lag(time_ns) OVER (
      PARTITION BY client_ip, client_port, name, qtype, is_request ORDER BY time_ns) AS same_gap_ns
  FROM sorted_out
  WHERE is_plain = 0
),
starts AS (
  SELECT
    *,
    CASE
      WHEN gap_ns IS NULL OR gap_ns > 30000000000 THEN 1
      WHEN is_request = 1 AND after_request = 0 THEN 1
      ELSE 0
    END AS is_start
  FROM ordered
),
-- Of lines with the same time the start comes first, as it did above.
numbered AS (
  SELECT
    *,
    sum(is_start) OVER (
      PARTITION BY client_ip, client_port, name, qtype ORDER BY time_ns, -(2 * is_request + is_start)
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS lookup_number
  FROM starts
),
told_apart AS (
  SELECT
    time_ns, client, client_namespace, client_ip, client_port, server, server_ip, server_port, l4_protocol, dns_rcode,
    dns_has_answer, name, qtype, is_request, is_dropped, same_gap_ns, lookup_number
  FROM numbered
  UNION ALL
  SELECT
    time_ns, client, client_namespace, client_ip, client_port, server, server_ip, server_port, l4_protocol, dns_rcode,
    dns_has_answer, name, qtype, is_request, is_dropped, NULL AS same_gap_ns, 0 AS lookup_number
  FROM sorted_out
  WHERE is_plain = 1
),
grouped AS (
  SELECT
    max(client) AS client,
    max(client_namespace) AS client_namespace,
    client_ip,
    client_port,
    max(server) AS server,
    max(server_ip) AS server_ip,
    max(server_port) AS server_port,
    max(l4_protocol) AS l4_protocol,
    name,
    qtype,
    -- Two reports of one question are milliseconds apart, a repeated one is not.
    sum(CASE WHEN is_request = 1 AND coalesce(same_gap_ns, 500000000) >= 500000000 THEN 1 ELSE 0 END) AS questions,
    min(time_ns) AS time_ns,
    max(time_ns) AS last_ns,
    min(CASE WHEN is_request = 1 THEN time_ns END) AS request_ns,
    min(CASE WHEN is_request = 0 THEN time_ns END) AS response_ns,
    -- Of several answers the best: 0 is NOERROR. A request's rcode means nothing.
    min(CASE WHEN is_request = 0 AND is_dropped = 0 THEN dns_rcode END) AS rcode,
    max(CASE WHEN is_request = 0 AND is_dropped = 0 AND dns_has_answer THEN 1 ELSE 0 END) AS has_answer,
    max(is_dropped) AS is_dropped
  FROM told_apart
  GROUP BY client_ip, client_port, name, qtype, lookup_number
),
outcomes AS (
  SELECT
    *,
    CASE
      WHEN rcode = 0 AND has_answer = 1 THEN 'NOERROR'
      WHEN rcode = 0 THEN 'NODATA'
      WHEN is_dropped = 1 THEN 'dropped'
      WHEN response_ns IS NULL THEN 'no answer'
      WHEN rcode = 1 THEN 'FORMERR'
      WHEN rcode = 2 THEN 'SERVFAIL'
      WHEN rcode = 3 THEN 'NXDOMAIN'
      WHEN rcode = 4 THEN 'NOTIMP'
      WHEN rcode = 5 THEN 'REFUSED'
      ELSE concat('RCODE ', CAST(rcode AS STRING))
    END AS outcome
  FROM grouped
),
-- The search path: `redis.db` is tried as redis.db.shop.svc.cluster.local, redis.db.svc.cluster.local,
-- redis.db.cluster.local, … and redis.db, until one exists. All forms begin with the same label. Names are compared over
-- the whole window, not lookup by lookup, as a node's DNS cache may have answered the next form itself.
asked AS (
  SELECT
    asker, asked_name, split_part(asked_name, '.', 1) AS first_label,
    concat(split_part(asked_name, '.svc.', 1), '.') AS before_svc,
    concat('.svc.', split_part(asked_name, '.svc.', 2)) AS from_svc,
    max(resolved) AS resolved
  FROM (
    SELECT
      coalesce(client_ip, client) AS asker, name AS asked_name, CASE WHEN rcode = 0 THEN 1 ELSE 0 END AS resolved
    FROM outcomes
  ) AS names
  GROUP BY asker, asked_name
),
missing AS (
  SELECT DISTINCT
    coalesce(client_ip, client) AS missing_asker, name AS missing_name, split_part(name, '.', 1) AS missing_label
  FROM outcomes
  WHERE outcome = 'NXDOMAIN'
),
superseded_names AS (
  SELECT DISTINCT missing_asker, missing_name
  FROM missing
  JOIN asked ON missing_asker = asker AND missing_label = first_label
  WHERE missing_name <> asked_name
    AND (
      -- A later form decides, whatever came of it. redis.db.shop.svc.cluster.local, then redis.db:
      starts_with(missing_name, concat(asked_name, '.'))
      -- redis.db.shop.svc.cluster.local, then redis.db.svc.cluster.local. A DNS cache asks for pods of any
      -- namespace, so it need not be the client's.
      OR (asked_name LIKE '%.svc.%' AND starts_with(missing_name, before_svc) AND ends_with(missing_name, from_svc))
      -- redis.db.svc.cluster.local, then redis.db.cluster.local.
      OR asked_name = replace(missing_name, '.svc.', '.')
      -- redis.db.cluster.local never exists; the form after it may have gone to another server, unseen.
      OR missing_name = replace(asked_name, '.svc.', '.')
      -- A name of many labels is tried as it is first; then only an expanded form that exists tells anything.
      OR (resolved = 1 AND starts_with(asked_name, concat(missing_name, '.')))
    )
)
SELECT
  time_ns, last_ns, request_ns, response_ns, response_ns - request_ns AS latency_ns, questions,
  client, client_namespace, client_ip, client_port, server, server_ip, server_port, l4_protocol,
  name, qtype, rcode, outcome,
  CASE WHEN outcome = 'NXDOMAIN' AND missing_name IS NOT NULL THEN 1 ELSE 0 END AS superseded
FROM outcomes
LEFT JOIN superseded_names ON coalesce(client_ip, client) = missing_asker AND name = missing_name
