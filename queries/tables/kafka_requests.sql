-- title = "Kafka requests"
-- answers = "One row for each Kafka request and topic at one proxy."
-- [[columns]]
-- name = "time_ns"
-- unit = "time"
-- [[columns]]
-- name = "node_name"
-- unit = ""
-- [[columns]]
-- name = "traffic_direction"
-- unit = ""
-- [[columns]]
-- name = "client"
-- unit = ""
-- [[columns]]
-- name = "client_ip"
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
-- name = "connection_id"
-- unit = ""
-- [[columns]]
-- name = "topic"
-- unit = ""
-- [[columns]]
-- name = "api_key"
-- unit = ""
-- [[columns]]
-- name = "correlation_id"
-- unit = ""
-- [[columns]]
-- name = "denied"
-- unit = ""
-- help = "1 if a policy denied it."
-- [[columns]]
-- name = "failed"
-- unit = ""
-- help = "1 if the answer tells of an error."
WITH lines AS (
  SELECT
    time_ns, node_name, traffic_direction, connection_id, l7_type, kafka_topic, lower(kafka_api_key) AS api_key,
    coalesce(kafka_correlation_id, 0) AS correlation_id, -- 0 is not in the log
    kafka_error_code, client, client_ip, server, server_ip, server_port, l4_protocol,
    CASE WHEN verdict = 'DROPPED' THEN 1 ELSE 0 END AS denied
  FROM flows
  WHERE l7_protocol = 'kafka' AND l7_type IN ('REQUEST', 'RESPONSE') AND coalesce(flow_type, '') <> 'SOCK'
),
-- An answer may lack the topic, so an error holds for every topic of its call.
errors AS (
  SELECT DISTINCT
    node_name AS error_node, traffic_direction AS error_at, connection_id AS error_connection,
    correlation_id AS error_id
  FROM lines
  WHERE l7_type = 'RESPONSE' AND kafka_error_code <> 0
),
-- Counted at one proxy: the client's is left out where the broker's reports.
reporting AS (
  SELECT DISTINCT coalesce(server_ip, server) AS reporting_server, coalesce(server_port, 0) AS reporting_port
  FROM lines WHERE traffic_direction = 'INGRESS'
)
SELECT
  time_ns, node_name, traffic_direction, client, client_ip, server, server_ip, server_port, l4_protocol, connection_id,
  kafka_topic AS topic, api_key, correlation_id, denied,
  CASE WHEN error_id IS NULL THEN 0 ELSE 1 END AS failed
FROM lines
LEFT JOIN errors
  ON node_name = error_node AND traffic_direction = error_at AND connection_id = error_connection
  AND correlation_id = error_id
LEFT JOIN reporting
  ON coalesce(server_ip, server) = reporting_server AND coalesce(server_port, 0) = reporting_port
WHERE l7_type = 'REQUEST' AND (traffic_direction = 'INGRESS' OR reporting_server IS NULL)
