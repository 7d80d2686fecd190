-- title = "HTTP requests"
-- answers = "One row for each request at one proxy, with its response."
-- apart = ["request_id", "http_method"]
-- [[columns]]
-- name = "time_ns"
-- unit = "time"
-- help = "Of the request; of the response where the request is not in the log."
-- [[columns]]
-- name = "request_ns"
-- unit = "time"
-- [[columns]]
-- name = "response_ns"
-- unit = "time"
-- [[columns]]
-- name = "paired_ns"
-- unit = "ns"
-- help = "From request to response."
-- [[columns]]
-- name = "recorded_ns"
-- unit = "ns"
-- help = "latency_ns of the response."
-- [[columns]]
-- name = "node_name"
-- unit = ""
-- [[columns]]
-- name = "traffic_direction"
-- unit = ""
-- help = "The proxy: INGRESS is the server's, EGRESS the client's."
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
-- name = "l4_protocol"
-- unit = ""
-- [[columns]]
-- name = "method"
-- unit = ""
-- [[columns]]
-- name = "url"
-- unit = ""
-- [[columns]]
-- name = "path"
-- unit = ""
-- help = "Path of the URL, without scheme, host, query and fragment."
-- [[columns]]
-- name = "protocol"
-- unit = ""
-- [[columns]]
-- name = "code"
-- unit = ""
-- help = "Status."
-- [[columns]]
-- name = "denied"
-- unit = ""
-- help = "1 if a policy denied it."
-- [[columns]]
-- name = "request_id"
-- unit = ""
-- [[columns]]
-- name = "connection_id"
-- unit = ""
WITH lines AS (
  SELECT
    time_ns, node_name, traffic_direction, connection_id, http_method, http_url, http_protocol, http_code, latency_ns,
    -- Hubble's redaction leaves one text for every id: no id.
    CASE WHEN request_id <> 'HUBBLE_REDACTED' THEN request_id END AS request_id,
    client, client_namespace, client_ip, server, server_namespace, server_ip, server_port, l4_protocol,
    CASE WHEN l7_type = 'REQUEST' THEN 1 ELSE 0 END AS is_request,
    CASE WHEN verdict = 'DROPPED' THEN 1 ELSE 0 END AS is_denied
  FROM flows
  WHERE l7_protocol = 'http' AND l7_type IN ('REQUEST', 'RESPONSE') AND coalesce(flow_type, '') <> 'SOCK'
),
-- Nearly every proxy, connection, id, method and URL has one request and the response to it.
sized AS (
  SELECT
    *,
    count(*) OVER (
      PARTITION BY node_name, traffic_direction, connection_id, request_id, http_method, http_url
    ) AS key_lines,
    sum(is_request) OVER (
      PARTITION BY node_name, traffic_direction, connection_id, request_id, http_method, http_url
    ) AS key_requests,
    min(CASE WHEN is_request = 1 THEN time_ns END) OVER (
      PARTITION BY node_name, traffic_direction, connection_id, request_id, http_method, http_url
    ) AS key_request_ns,
    min(CASE WHEN is_request = 0 THEN time_ns END) OVER (
      PARTITION BY node_name, traffic_direction, connection_id, request_id, http_method, http_url
    ) AS key_response_ns
  FROM lines
),
sorted_out AS (
  SELECT
    *,
    CASE
      WHEN key_lines = 1 THEN 1
      WHEN key_lines = 2 AND key_requests = 1 AND key_request_ns <= key_response_ns THEN 1
      ELSE 0
    END AS is_plain
  FROM sized
),
-- The others are told apart. One X-Request-Id runs through several hops and retries, and may be absent: a response
-- belongs to the latest request
-- of its proxy, connection, id, method and URL that has none yet. So a response that was lost spoils one pair, not
-- all that follow. The number of open requests tells which: pairs open and close like brackets.
opened AS (
  SELECT
    *,
    sum(2 * is_request - 1) OVER (
      PARTITION BY node_name, traffic_direction, connection_id, request_id, http_method, http_url
      ORDER BY time_ns, -is_request ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS open_requests
  FROM sorted_out
  WHERE is_plain = 0
),
-- Of lines with the same time the order must stay as it was: requests counted up, responses down.
placed AS (
  SELECT *, CASE WHEN is_request = 1 THEN open_requests ELSE -open_requests END AS place FROM opened
),
-- A response without a request (from before the log began) must not make the count negative for ever.
floored AS (
  SELECT
    *,
    min(open_requests) OVER (
      PARTITION BY node_name, traffic_direction, connection_id, request_id, http_method, http_url
      ORDER BY time_ns, -is_request, place ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS lowest
  FROM placed
),
levels AS (
  SELECT *, open_requests - least(lowest, 0) + 1 - is_request AS level FROM floored
),
numbered AS (
  SELECT
    *,
    sum(is_request) OVER (
      PARTITION BY node_name, traffic_direction, connection_id, request_id, http_method, http_url, level
      ORDER BY time_ns, -is_request, place ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS request_number
  FROM levels
),
answered AS (
  SELECT
    *,
    row_number() OVER (
      PARTITION BY node_name, traffic_direction, connection_id, request_id, http_method, http_url, level,
        request_number, is_request
      ORDER BY time_ns, http_code, latency_ns
    ) AS response_number
  FROM numbered
),
told_apart AS (
  SELECT
    time_ns, node_name, traffic_direction, connection_id, request_id, http_method, http_url, http_protocol, http_code,
    latency_ns, is_request, is_denied, client, client_namespace, client_ip, server, server_namespace, server_ip,
    server_port, l4_protocol, level, request_number, response_number
  FROM answered
  UNION ALL
  SELECT
    time_ns, node_name, traffic_direction, connection_id, request_id, http_method, http_url, http_protocol, http_code,
    latency_ns, is_request, is_denied, client, client_namespace, client_ip, server, server_namespace, server_ip,
    server_port, l4_protocol, 0 AS level, 0 AS request_number, 0 AS response_number
  FROM sorted_out
  WHERE is_plain = 1
),
pairs AS (
  SELECT
    min(time_ns) AS time_ns,
    min(CASE WHEN is_request = 1 THEN time_ns END) AS request_ns,
    min(CASE WHEN is_request = 0 THEN time_ns END) AS response_ns,
    node_name,
    traffic_direction,
    connection_id,
    request_id,
    http_method,
    http_url,
    max(http_protocol) AS http_protocol,
    max(CASE WHEN is_request = 0 AND http_code > 0 THEN http_code END) AS code,
    max(CASE WHEN is_request = 0 THEN latency_ns END) AS recorded_ns,
    max(is_denied) AS denied,
    max(client) AS client,
    max(client_namespace) AS client_namespace,
    max(client_ip) AS client_ip,
    max(server) AS server,
    max(server_namespace) AS server_namespace,
    max(server_ip) AS server_ip,
    max(server_port) AS server_port,
    max(l4_protocol) AS l4_protocol
  FROM told_apart
  GROUP BY node_name, traffic_direction, connection_id, request_id, http_method, http_url, level, request_number,
    response_number
),
parts AS (
  SELECT
    *,
    split_part(http_url, '/', 1) AS scheme,
    split_part(http_url, '/', 2) AS between_slashes,
    split_part(http_url, '/', 3) AS authority
  FROM pairs
),
-- http://host/path?query: without the first three parts; else as it is.
located AS (
  SELECT
    *,
    CASE WHEN scheme LIKE '%:' AND between_slashes = '' THEN authority END AS host,
    CASE
      WHEN scheme LIKE '%:' AND between_slashes = '' THEN substr(http_url, length(scheme) + length(authority) + 3)
      ELSE http_url
    END AS local_url
  FROM parts
),
cut AS (
  SELECT *, split_part(split_part(local_url, '?', 1), '#', 1) AS local_path FROM located
),
found AS (
  SELECT *, CASE WHEN local_path = '' THEN '/' ELSE local_path END AS path FROM cut
),
-- The same request may be reported by the client's proxy (EGRESS) and the server's (INGRESS). The client's record is
-- left out where it has one of the server's for its own: of the same method and path, begun within a second, and
-- 1. with the same status, from the same client (not asked where both have the same id: an ingress may stand between)
--    to the same server;
-- 2. of those that are left, with any status (the client's proxy may have given up), from the same client to the same
--    server, by its address or, where both have the same id, by host or name (a service's address may stand for it).
-- An id alone is not enough: one id runs through all calls that a request causes. What a policy denied at the client,
-- or failed there before it reached the server, has no such record and stays.
keyed AS (
  SELECT
    *,
    coalesce(time_ns, 0) AS start_ns,
    CASE WHEN traffic_direction = 'INGRESS' THEN -1 ELSE 1 END AS side,
    concat(node_name, ' ', connection_id, ' ', http_url, ' ', CAST(response_ns AS VARCHAR)) AS tie,
    concat(http_method, ' ', path, ' ', request_id) AS call_key,
    coalesce(client_ip, client) AS client_key,
    concat(coalesce(server_ip, server), ' ', CAST(server_port AS VARCHAR)) AS server_key
  FROM found
),
sent AS (
  SELECT DISTINCT call_key AS sent_call FROM keyed WHERE side = 1 AND denied = 0
),
rivals AS (
  SELECT
    keyed.*,
    concat(call_key, ' ', server_key, ' ', CASE WHEN request_id IS NULL THEN client_key END, ' ',
      CAST(code AS VARCHAR)) AS strict_key,
    concat(call_key, ' ', client_key, ' ',
      CASE WHEN request_id IS NULL THEN server_key ELSE coalesce(host, server) END) AS loose_key
  FROM keyed
  JOIN sent ON call_key = sent_call
  WHERE denied = 0 OR side = -1
),
-- The records of one key open (EGRESS) and close (INGRESS) like brackets in the order of their time, or close and open
-- where clocks differ. On one level they alternate, and those not more than a second apart go together two by two.
strict_sums AS (
  SELECT
    *,
    sum(side) OVER (
      PARTITION BY strict_key ORDER BY start_ns, side, tie ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS strict_sum
  FROM rivals
),
strict_levels AS (
  SELECT *, CASE WHEN side = 1 THEN strict_sum ELSE strict_sum + 1 END AS strict_level FROM strict_sums
),
strict_places AS (
  SELECT
    *,
    row_number() OVER (PARTITION BY strict_key, strict_level ORDER BY start_ns, side, tie) AS strict_place,
    lag(start_ns) OVER (PARTITION BY strict_key, strict_level ORDER BY start_ns, side, tie) AS strict_before_ns,
    lead(start_ns) OVER (PARTITION BY strict_key, strict_level ORDER BY start_ns, side, tie) AS strict_after_ns
  FROM strict_levels
),
strict_starts AS (
  SELECT
    *,
    CASE WHEN start_ns - strict_before_ns <= 1000000000 THEN 0 ELSE strict_place END AS strict_start
  FROM strict_places
),
strict_runs AS (
  SELECT
    *,
    max(strict_start) OVER (
      PARTITION BY strict_key, strict_level ORDER BY start_ns, side, tie
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS strict_run
  FROM strict_starts
),
strict_pairs AS (
  SELECT
    *,
    CASE
      WHEN (strict_place - strict_run) % 2 = 1 OR strict_after_ns - start_ns <= 1000000000 THEN 1
      ELSE 0
    END AS strict_paired
  FROM strict_runs
),
loose_sums AS (
  SELECT
    *,
    sum(side) OVER (
      PARTITION BY loose_key ORDER BY start_ns, side, tie ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS loose_sum
  FROM strict_pairs
  WHERE strict_paired = 0
),
loose_levels AS (
  SELECT *, CASE WHEN side = 1 THEN loose_sum ELSE loose_sum + 1 END AS loose_level FROM loose_sums
),
loose_places AS (
  SELECT
    *,
    row_number() OVER (PARTITION BY loose_key, loose_level ORDER BY start_ns, side, tie) AS loose_place,
    lag(start_ns) OVER (PARTITION BY loose_key, loose_level ORDER BY start_ns, side, tie) AS loose_before_ns,
    lead(start_ns) OVER (PARTITION BY loose_key, loose_level ORDER BY start_ns, side, tie) AS loose_after_ns
  FROM loose_levels
),
loose_starts AS (
  SELECT
    *,
    CASE WHEN start_ns - loose_before_ns <= 1000000000 THEN 0 ELSE loose_place END AS loose_start
  FROM loose_places
),
loose_runs AS (
  SELECT
    *,
    max(loose_start) OVER (
      PARTITION BY loose_key, loose_level ORDER BY start_ns, side, tie
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS loose_run
  FROM loose_starts
),
loose_pairs AS (
  SELECT
    *,
    CASE
      WHEN (loose_place - loose_run) % 2 = 1 OR loose_after_ns - start_ns <= 1000000000 THEN 1
      ELSE 0
    END AS loose_paired
  FROM loose_runs
),
counted_once AS (
  SELECT
    time_ns, request_ns, response_ns, recorded_ns, node_name, traffic_direction, client, client_namespace, client_ip,
    server, server_namespace, server_ip, server_port, l4_protocol, http_method, http_url, path, http_protocol, code,
    denied, request_id, connection_id
  FROM found
  WHERE traffic_direction = 'INGRESS' OR denied = 1
  UNION ALL
  SELECT
    time_ns, request_ns, response_ns, recorded_ns, node_name, traffic_direction, client, client_namespace, client_ip,
    server, server_namespace, server_ip, server_port, l4_protocol, http_method, http_url, path, http_protocol, code,
    denied, request_id, connection_id
  FROM loose_pairs
  WHERE side = 1 AND loose_paired = 0
)
SELECT
  time_ns, request_ns, response_ns, response_ns - request_ns AS paired_ns, recorded_ns, node_name, traffic_direction,
  client, client_namespace, client_ip, server, server_namespace, server_ip, server_port, l4_protocol,
  http_method AS method, http_url AS url, path, http_protocol AS protocol, code, denied, request_id, connection_id
FROM counted_once
