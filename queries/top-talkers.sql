-- title = "Top talkers"
-- answers = "Which services talk most."
-- theme = "overview"
-- weight = 34
-- audience = ["incident"]
-- chart = "bar"
-- notes = "By connections and layer 7 requests: flow logs count neither bytes nor packets. Several lines of one packet are one."
-- [defaults]
-- limit = 20
-- [[columns]]
-- name = "service"
-- unit = ""
-- help = "Best name of the service."
-- [[columns]]
-- name = "connections_out"
-- unit = "count"
-- help = "Connections as client."
-- [[columns]]
-- name = "connections_in"
-- unit = "count"
-- help = "Connections as server."
-- [[columns]]
-- name = "requests_out"
-- unit = "count"
-- help = "Layer 7 requests as client."
-- [[columns]]
-- name = "requests_in"
-- unit = "count"
-- help = "Layer 7 requests as server."
-- [[columns]]
-- name = "peers"
-- unit = "count"
-- help = "Distinct services at the other end."
WITH ends AS (
  SELECT
    client AS service, server AS peer,
    CAST(count(*) AS BIGINT) AS connections_out, 0 AS connections_in, 0 AS requests_out, 0 AS requests_in
  FROM connections
  GROUP BY client, server
  UNION ALL
  SELECT
    server AS service, client AS peer,
    0 AS connections_out, CAST(count(*) AS BIGINT) AS connections_in, 0 AS requests_out, 0 AS requests_in
  FROM connections
  GROUP BY client, server
  UNION ALL
  SELECT
    client AS service, server AS peer,
    0 AS connections_out, 0 AS connections_in, CAST(count(*) AS BIGINT) AS requests_out, 0 AS requests_in
  FROM requests
  GROUP BY client, server
  UNION ALL
  SELECT
    server AS service, client AS peer,
    0 AS connections_out, 0 AS connections_in, 0 AS requests_out, CAST(count(*) AS BIGINT) AS requests_in
  FROM requests
  GROUP BY client, server
  UNION ALL
  SELECT
    client AS service, server AS peer,
    0 AS connections_out, 0 AS connections_in, CAST(count(*) AS BIGINT) AS requests_out, 0 AS requests_in
  FROM lookups
  GROUP BY client, server
  UNION ALL
  SELECT
    server AS service, client AS peer,
    0 AS connections_out, 0 AS connections_in, 0 AS requests_out, CAST(count(*) AS BIGINT) AS requests_in
  FROM lookups
  GROUP BY client, server
  UNION ALL
  SELECT
    client AS service, server AS peer,
    0 AS connections_out, 0 AS connections_in, CAST(count(*) AS BIGINT) AS requests_out, 0 AS requests_in
  FROM kafka_requests
  GROUP BY client, server
  UNION ALL
  SELECT
    server AS service, client AS peer,
    0 AS connections_out, 0 AS connections_in, 0 AS requests_out, CAST(count(*) AS BIGINT) AS requests_in
  FROM kafka_requests
  GROUP BY client, server
),
counted AS (
  SELECT
    service,
    sum(connections_out) AS connections_out,
    sum(connections_in) AS connections_in,
    sum(requests_out) AS requests_out,
    sum(requests_in) AS requests_in,
    count(DISTINCT peer) AS peers
  FROM ends
  GROUP BY service
)
SELECT service, connections_out, connections_in, requests_out, requests_in, peers
FROM counted
ORDER BY connections_out + connections_in + requests_out + requests_in DESC, service NULLS LAST
LIMIT $limit
