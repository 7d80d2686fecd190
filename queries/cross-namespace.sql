-- title = "Traffic between namespaces"
-- answers = "Which namespaces reach into which, how much, and what was denied."
-- theme = "policy"
-- weight = 70
-- audience = ["compliance"]
-- chart = "none"
-- notes = "connections are distinct TCP connections or attempts, or distinct address and port pairs of other protocols; they hold denied attempts too. requests are layer 7 requests (HTTP, DNS, Kafka) at one proxy. denied are distinct connections, or requests at layer 7, that a network policy denied. The namespaces are those that the log gives; of a service it is the service's. An end without a namespace (nodes, the outside, an address alone) is in no row: see external-access and external-destinations."
-- [defaults]
-- limit = 100
-- [[columns]]
-- name = "client_namespace"
-- unit = ""
-- help = "Namespace of the client."
-- [[columns]]
-- name = "server_namespace"
-- unit = ""
-- help = "Namespace of the server."
-- [[columns]]
-- name = "clients"
-- unit = "count"
-- help = "Distinct clients, by their best name."
-- [[columns]]
-- name = "services"
-- unit = "count"
-- help = "Distinct servers, by their best name."
-- [[columns]]
-- name = "ports"
-- unit = "count"
-- help = "Distinct server ports."
-- [[columns]]
-- name = "connections"
-- unit = "count"
-- help = "Distinct connections or attempts."
-- [[columns]]
-- name = "requests"
-- unit = "count"
-- help = "Layer 7 requests."
-- [[columns]]
-- name = "denied"
-- unit = "count"
-- help = "Distinct connections and requests that a policy denied."
-- [[columns]]
-- name = "first_seen"
-- unit = "time"
-- help = "When it was first seen."
-- [[columns]]
-- name = "last_seen"
-- unit = "time"
-- help = "When it was last seen."
WITH parts AS (
  SELECT
    client_namespace, server_namespace, client, server, server_port, first_ns, last_ns,
    1 AS connections, 0 AS requests, CAST(NULL AS STRING) AS denied_connection, 0 AS denied_requests
  FROM connections
  UNION ALL
  SELECT
    client_namespace, server_namespace, client, server, server_port,
    time_ns AS first_ns, coalesce(response_ns, time_ns) AS last_ns,
    0 AS connections, 1 AS requests, CAST(NULL AS STRING) AS denied_connection, 0 AS denied_requests
  FROM requests
  UNION ALL
  -- These name the namespace in the server's name alone.
  SELECT
    client_namespace, CASE WHEN server LIKE '%/%' THEN split_part(server, '/', 1) END AS server_namespace,
    client, server, server_port, time_ns AS first_ns, last_ns,
    0 AS connections, 1 AS requests, CAST(NULL AS STRING) AS denied_connection, 0 AS denied_requests
  FROM lookups
  UNION ALL
  SELECT
    CASE WHEN client LIKE '%/%' THEN split_part(client, '/', 1) END AS client_namespace,
    CASE WHEN server LIKE '%/%' THEN split_part(server, '/', 1) END AS server_namespace,
    client, server, server_port, time_ns AS first_ns, time_ns AS last_ns,
    0 AS connections, 1 AS requests, CAST(NULL AS STRING) AS denied_connection, 0 AS denied_requests
  FROM kafka_requests
  UNION ALL
  SELECT
    client_namespace, server_namespace, client, server, server_port, time_ns AS first_ns, time_ns AS last_ns,
    0 AS connections, 0 AS requests,
    CASE WHEN layer = 'L3-L4' THEN connection_id END AS denied_connection,
    CASE WHEN layer = 'L7' OR connection_id IS NULL THEN 1 ELSE 0 END AS denied_requests
  FROM drops
  WHERE layer = 'L7' OR reason IN ('POLICY_DENIED', 'POLICY_DENY', 'AUTH_REQUIRED')
)
SELECT
  client_namespace, server_namespace,
  count(DISTINCT client) AS clients,
  count(DISTINCT server) AS services,
  count(DISTINCT server_port) AS ports,
  sum(connections) AS connections,
  sum(requests) AS requests,
  count(DISTINCT denied_connection) + sum(denied_requests) AS denied,
  min(first_ns) AS first_seen,
  max(last_ns) AS last_seen
FROM parts
WHERE client_namespace <> server_namespace
GROUP BY client_namespace, server_namespace
ORDER BY connections DESC, requests DESC, denied DESC, client_namespace, server_namespace
LIMIT $limit
