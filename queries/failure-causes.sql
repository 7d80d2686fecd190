-- title = "Why communication fails"
-- answers = "For each pair the first layer that fails: DNS, policy, L3-L4, TCP or L7, with the evidence."
-- theme = "tcp"
-- weight = 95
-- audience = ["incident"]
-- chart = "none"
-- notes = "Layers are tried in the order DNS, policy, L3-L4, TCP, L7; the first with evidence is named, and cause is the most frequent evidence in it. A DNS failure is held against the service that the name stands for (NAME.NAMESPACE.svc…), else against the name itself. TCP: a SYN never answered, refused, or a connection reset by the server. L7: denied, status 500 and above, no response. Connections and requests of the last moments are not judged."
-- [defaults]
-- limit = 20
-- [parameters.grace]
-- type = "duration"
-- default = "5s"
-- help = "What began this short a time before the end of the data is not called unanswered."
-- [[columns]]
-- name = "client"
-- unit = ""
-- help = "Best name of the client."
-- [[columns]]
-- name = "server"
-- unit = ""
-- help = "Best name of the server."
-- [[columns]]
-- name = "layer"
-- unit = ""
-- help = "DNS, policy, L3-L4, TCP or L7."
-- [[columns]]
-- name = "cause"
-- unit = ""
-- help = "Most frequent evidence of that layer."
-- [[columns]]
-- name = "dns"
-- unit = "count"
-- help = "Failed lookups."
-- [[columns]]
-- name = "policy"
-- unit = "count"
-- help = "Packets dropped by policy."
-- [[columns]]
-- name = "network"
-- unit = "count"
-- help = "Packets dropped for other reasons."
-- [[columns]]
-- name = "tcp"
-- unit = "count"
-- help = "Connections unanswered, refused or reset."
-- [[columns]]
-- name = "l7"
-- unit = "count"
-- help = "Requests denied, failed or unanswered."
-- [[columns]]
-- name = "first_seen"
-- unit = "time"
-- help = "First evidence of any layer."
WITH evidence AS (
  -- The name of a service in the cluster, SERVICE.NAMESPACE.svc… or POD.SERVICE.NAMESPACE.svc…, stands for it.
  SELECT
    client,
    CASE
      WHEN name NOT LIKE '%.%.svc.%' AND name NOT LIKE '%.%.svc' THEN name
      WHEN split_part(split_part(name, '.svc', 1), '.', 3) = '' THEN
        concat(split_part(name, '.', 2), '/', split_part(name, '.', 1))
      ELSE concat(split_part(name, '.', 3), '/', split_part(name, '.', 2))
    END AS server,
    1 AS layer_number, outcome AS cause, time_ns
  FROM lookups
  WHERE superseded = 0
    AND outcome NOT IN ('NOERROR', 'NODATA')
    AND (outcome <> 'no answer' OR request_ns <= $until - $grace)
  UNION ALL
  SELECT
    client, server,
    CASE
      WHEN layer = 'L7' THEN 5
      WHEN reason IN ('POLICY_DENIED', 'POLICY_DENY', 'AUTH_REQUIRED') THEN 2
      ELSE 3
    END AS layer_number,
    reason AS cause, time_ns
  FROM drops
  WHERE layer = 'L3-L4' OR protocol <> 'dns' -- a denied lookup is the DNS layer's
  UNION ALL
  SELECT
    client, server, 4 AS layer_number,
    CASE
      WHEN state = 'unanswered' THEN 'SYN unanswered'
      WHEN state = 'refused' THEN 'refused'
      ELSE 'reset by server'
    END AS cause,
    CASE WHEN state = 'unanswered' THEN syn_ns ELSE reset_ns END AS time_ns
  FROM connections
  WHERE (state = 'unanswered' AND syn_ns <= $until - $grace)
    OR state = 'refused'
    OR (reset_by = 'server' AND (fin_ns IS NULL OR reset_ns < fin_ns))
  UNION ALL
  SELECT
    client, server, 5 AS layer_number,
    CASE WHEN code >= 500 THEN concat('HTTP ', CAST(code AS STRING)) ELSE 'no response' END AS cause,
    time_ns
  FROM requests
  WHERE denied = 0 AND (code >= 500 OR (response_ns IS NULL AND request_ns <= $until - $grace))
),
causes AS (
  SELECT client, server, layer_number, cause, CAST(count(*) AS BIGINT) AS times
  FROM evidence
  GROUP BY client, server, layer_number, cause
),
ranked AS (
  SELECT
    client AS cause_client, server AS cause_server, layer_number AS cause_layer, cause,
    row_number() OVER (PARTITION BY client, server ORDER BY layer_number, -times, cause) AS place
  FROM causes
),
pairs AS (
  SELECT
    client, server,
    sum(CASE WHEN layer_number = 1 THEN 1 ELSE 0 END) AS dns,
    sum(CASE WHEN layer_number = 2 THEN 1 ELSE 0 END) AS policy,
    sum(CASE WHEN layer_number = 3 THEN 1 ELSE 0 END) AS network,
    sum(CASE WHEN layer_number = 4 THEN 1 ELSE 0 END) AS tcp,
    sum(CASE WHEN layer_number = 5 THEN 1 ELSE 0 END) AS l7,
    min(time_ns) AS first_seen
  FROM evidence
  GROUP BY client, server
)
SELECT
  client, server,
  CASE
    WHEN dns > 0 THEN 'DNS'
    WHEN policy > 0 THEN 'policy'
    WHEN network > 0 THEN 'L3-L4'
    WHEN tcp > 0 THEN 'TCP'
    ELSE 'L7'
  END AS layer,
  cause, dns, policy, network, tcp, l7, first_seen
FROM pairs
LEFT JOIN ranked
  ON coalesce(client, '') = coalesce(cause_client, '') AND coalesce(server, '') = coalesce(cause_server, '')
WHERE place = 1
ORDER BY dns + policy + network + tcp + l7 DESC, client NULLS LAST, server NULLS LAST
LIMIT $limit
