-- title = "HTTP requests"
-- answers = "One row for each request at one proxy, with its response."
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
    time_ns, node_name, traffic_direction, connection_id, request_id, http_method, http_url, http_protocol, http_code,
    latency_ns, client, client_namespace, client_ip, server, server_namespace, server_ip, server_port, l4_protocol,
    CASE WHEN l7_type = 'REQUEST' THEN 1 ELSE 0 END AS is_request,
    CASE WHEN verdict = 'DROPPED' THEN 1 ELSE 0 END AS is_denied
  FROM flows
  WHERE l7_protocol = 'http' AND l7_type IN ('REQUEST', 'RESPONSE') AND coalesce(flow_type, '') <> 'SOCK'
),
-- One X-Request-Id runs through several hops and retries, and may be absent: a response belongs to the latest request
-- of its proxy, connection, id, method and URL that has none yet. So a response that was lost spoils one pair, not
-- all that follow. The number of open requests tells which: pairs open and close like brackets.
opened AS (
  SELECT
    *,
    sum(2 * is_request - 1) OVER (
      PARTITION BY node_name, traffic_direction, connection_id, request_id, http_method, http_url
      ORDER BY time_ns, -is_request ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS open_requests
  FROM lines
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
  FROM answered
  GROUP BY node_name, traffic_direction, connection_id, request_id, http_method, http_url, level, request_number,
    response_number
),
-- The same request may be reported by the client's proxy (EGRESS) and the server's (INGRESS). The client's record is
-- left out where the server's holds the same id from the same client or at the same server, or, without an id, where
-- the server reports at all. What failed before it reached the server stays.
at_server AS (
  SELECT DISTINCT request_id AS seen_id, coalesce(server_ip, server) AS seen_server
  FROM pairs WHERE traffic_direction = 'INGRESS' AND request_id IS NOT NULL
),
from_client AS (
  SELECT DISTINCT request_id AS sent_id, coalesce(client_ip, client) AS sent_client
  FROM pairs WHERE traffic_direction = 'INGRESS' AND request_id IS NOT NULL
),
reporting AS (
  SELECT DISTINCT coalesce(server_ip, server) AS reporting_server, coalesce(server_port, 0) AS reporting_port
  FROM pairs WHERE traffic_direction = 'INGRESS'
),
counted_once AS (
  SELECT
    pairs.*,
    -- http://host/path?query: without the first three parts; else as it is.
    CASE
      WHEN split_part(http_url, '/', 1) LIKE '%:' AND split_part(http_url, '/', 2) = '' THEN
        substr(http_url, length(split_part(http_url, '/', 1)) + length(split_part(http_url, '/', 3)) + 3)
      ELSE http_url
    END AS local_url
  FROM pairs
  LEFT JOIN at_server ON request_id = seen_id AND coalesce(server_ip, server) = seen_server
  LEFT JOIN from_client ON request_id = sent_id AND coalesce(client_ip, client) = sent_client
  LEFT JOIN reporting
    ON coalesce(server_ip, server) = reporting_server AND coalesce(server_port, 0) = reporting_port
  WHERE traffic_direction = 'INGRESS'
    OR (request_id IS NOT NULL AND seen_id IS NULL AND sent_id IS NULL)
    OR (request_id IS NULL AND reporting_server IS NULL)
)
SELECT
  time_ns, request_ns, response_ns, response_ns - request_ns AS paired_ns, recorded_ns, node_name, traffic_direction,
  client, client_namespace, client_ip, server, server_namespace, server_ip, server_port, l4_protocol,
  http_method AS method, http_url AS url,
  CASE
    WHEN local_url IS NULL THEN NULL
    WHEN split_part(split_part(local_url, '?', 1), '#', 1) = '' THEN '/'
    ELSE split_part(split_part(local_url, '?', 1), '#', 1)
  END AS path,
  http_protocol AS protocol, code, denied, request_id, connection_id
FROM counted_once
