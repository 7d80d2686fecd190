-- title = "Plain text"
-- answers = "Who talks to ports whose protocols are plain text by convention, and what a proxy could read."
-- theme = "policy"
-- weight = 83
-- audience = ["compliance"]
-- chart = "none"
-- notes = "A list of well-known ports (service says which), and whatever HTTP or Kafka a proxy of Cilium read, on any port. A port is a convention, not evidence: a flow does not show whether TLS was negotiated (STARTTLS, PostgreSQL, MySQL, Redis, MongoDB, Kafka and others may use it on the same port), and plain text on other ports is not found unless a proxy read it. requests were readable to the proxy: plain text on the wire, unless Cilium itself ended the TLS. encrypted are connections of which at least one line says that Cilium's IPsec or WireGuard encrypted the packet; a line without that mark proves nothing, as most points of a packet's way do not tell, nor do lines whose IP fields were masked. DNS is left out. Connections that a policy dropped are counted, and told under dropped."
-- [defaults]
-- limit = 100
-- [parameters.port]
-- type = "integer"
-- help = "One more port to look at."
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
-- name = "service"
-- unit = ""
-- help = "What the port stands for by convention; of other ports http or kafka where a proxy read it, else other."
-- [[columns]]
-- name = "connections"
-- unit = "count"
-- help = "Distinct connections or attempts; none where only layer 7 lines are in the log."
-- [[columns]]
-- name = "requests"
-- unit = "count"
-- help = "HTTP and Kafka requests that a proxy read."
-- [[columns]]
-- name = "dropped"
-- unit = "count"
-- help = "Of the connections, with dropped packets."
-- [[columns]]
-- name = "encrypted"
-- unit = "count"
-- help = "Of the connections, with a packet known to be encrypted by Cilium."
-- [[columns]]
-- name = "first_seen"
-- unit = "time"
-- help = "When it was first seen."
-- [[columns]]
-- name = "last_seen"
-- unit = "time"
-- help = "When it was last seen."
WITH encrypted_lines AS (
  SELECT DISTINCT connection_id AS encrypted_connection
  FROM flows
  WHERE ip_encrypted AND connection_id IS NOT NULL
),
parts AS (
  SELECT
    client, server, server_port, l4_protocol, CAST(NULL AS STRING) AS read_as, first_ns, last_ns,
    1 AS connections, 0 AS requests,
    CASE WHEN drop_ns IS NULL THEN 0 ELSE 1 END AS dropped,
    CASE WHEN encrypted_connection IS NULL THEN 0 ELSE 1 END AS encrypted
  FROM connections
  LEFT JOIN encrypted_lines ON connection_id = encrypted_connection
  UNION ALL
  SELECT
    client, server, server_port, l4_protocol, 'http' AS read_as, time_ns AS first_ns,
    coalesce(response_ns, time_ns) AS last_ns,
    0 AS connections, 1 AS requests, 0 AS dropped, 0 AS encrypted
  FROM requests
  UNION ALL
  SELECT
    client, server, server_port, l4_protocol, 'kafka' AS read_as, time_ns AS first_ns, time_ns AS last_ns,
    0 AS connections, 1 AS requests, 0 AS dropped, 0 AS encrypted
  FROM kafka_requests
),
known AS (
  SELECT
    *,
    CASE
      WHEN l4_protocol = 'UDP' AND server_port = 69 THEN 'tftp'
      WHEN l4_protocol = 'UDP' AND server_port = 161 THEN 'snmp'
      WHEN l4_protocol = 'UDP' AND server_port = 514 THEN 'syslog'
      WHEN coalesce(l4_protocol, 'TCP') <> 'TCP' THEN NULL
      WHEN server_port IN (20, 21) THEN 'ftp'
      WHEN server_port = 23 THEN 'telnet'
      WHEN server_port = 25 THEN 'smtp'
      WHEN server_port IN (80, 8080) THEN 'http'
      WHEN server_port = 110 THEN 'pop3'
      WHEN server_port = 143 THEN 'imap'
      WHEN server_port = 389 THEN 'ldap'
      WHEN server_port = 512 THEN 'rexec'
      WHEN server_port = 513 THEN 'rlogin'
      WHEN server_port = 514 THEN 'rsh'
      WHEN server_port = 873 THEN 'rsync'
      WHEN server_port = 1433 THEN 'mssql'
      WHEN server_port = 1521 THEN 'oracle'
      WHEN server_port = 1883 THEN 'mqtt'
      WHEN server_port = 2049 THEN 'nfs'
      WHEN server_port = 2181 THEN 'zookeeper'
      WHEN server_port = 3306 THEN 'mysql'
      WHEN server_port = 4222 THEN 'nats'
      WHEN server_port = 5432 THEN 'postgresql'
      WHEN server_port = 5672 THEN 'amqp'
      WHEN server_port = 5900 THEN 'vnc'
      WHEN server_port = 6379 THEN 'redis'
      WHEN server_port = 9042 THEN 'cassandra'
      WHEN server_port = 9092 THEN 'kafka'
      WHEN server_port = 9200 THEN 'elasticsearch'
      WHEN server_port = 11211 THEN 'memcached'
      WHEN server_port = 27017 THEN 'mongodb'
    END AS by_port
  FROM parts
),
summed AS (
  SELECT
    client, server, server_port, l4_protocol,
    max(by_port) AS by_port,
    max(read_as) AS read_as,
    sum(connections) AS connections,
    sum(requests) AS requests,
    sum(dropped) AS dropped,
    sum(encrypted) AS encrypted,
    min(first_ns) AS first_seen,
    max(last_ns) AS last_seen
  FROM known
  GROUP BY client, server, server_port, l4_protocol
),
named AS (
  SELECT *, coalesce(by_port, read_as, CASE WHEN server_port = $port THEN 'other' END) AS service
  FROM summed
)
SELECT client, server, server_port, service, connections, requests, dropped, encrypted, first_seen, last_seen
FROM named
WHERE service IS NOT NULL
ORDER BY connections DESC, requests DESC, client NULLS LAST, server NULLS LAST, server_port NULLS LAST, service,
  first_seen NULLS LAST
LIMIT $limit
