-- title = "Kafka topics"
-- answers = "Who produces to and who consumes from which topic."
-- theme = "kafka"
-- weight = 36
-- audience = ["incident", "compliance"]
-- chart = "none"
-- notes = "Cilium up to 1.19 with layer 7 Kafka policies. A call that names several topics has one line for each. Counted at one proxy: the broker's (INGRESS) where it reports, else the client's."
-- needs = "l7 kafka"
-- [defaults]
-- limit = 100
-- [[columns]]
-- name = "topic"
-- unit = ""
-- help = "Kafka topic."
-- [[columns]]
-- name = "client"
-- unit = ""
-- help = "Best name of the client."
-- [[columns]]
-- name = "server"
-- unit = ""
-- help = "Best name of the server."
-- [[columns]]
-- name = "role"
-- unit = ""
-- help = "produces, consumes, or other."
-- [[columns]]
-- name = "api_key"
-- unit = ""
-- help = "Kafka call: produce, fetch, …"
-- [[columns]]
-- name = "requests"
-- unit = "count"
-- help = "Calls."
-- [[columns]]
-- name = "errors"
-- unit = "count"
-- help = "Calls answered with an error."
-- [[columns]]
-- name = "denied"
-- unit = "count"
-- help = "Calls denied by policy."
-- [[columns]]
-- name = "first_seen"
-- unit = "time"
-- help = "When it was first seen."
-- [[columns]]
-- name = "last_seen"
-- unit = "time"
-- help = "When it was last seen."
SELECT
  topic, client, server,
  CASE WHEN api_key = 'produce' THEN 'produces' WHEN api_key = 'fetch' THEN 'consumes' ELSE 'other' END AS role,
  api_key,
  count(*) AS requests,
  sum(failed) AS errors,
  sum(denied) AS denied,
  min(time_ns) AS first_seen,
  max(time_ns) AS last_seen
FROM kafka_requests
GROUP BY topic, client, server, api_key
ORDER BY topic NULLS LAST, requests DESC, client NULLS LAST, server NULLS LAST, api_key NULLS LAST
LIMIT $limit
