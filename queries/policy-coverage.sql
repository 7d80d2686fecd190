-- title = "Policy coverage"
-- answers = "Of which services' connections a network policy decided, and how much passed because no policy restricts it."
-- theme = "policy"
-- weight = 79
-- audience = ["compliance"]
-- chart = "bar"
-- notes = "Policy verdict lines alone, by connection: one with several verdicts counts once, under the first of denied, audited, unrestricted, untold, unnamed, named. unrestricted: allowed with the match type all and no policy's name, which is what an endpoint without policies gives; before Cilium 1.15 a policy that allows all looks the same. unnamed: a rule matched, but the log names none: Cilium before 1.15, a masked field, or a rule of Cilium's own (it lets a node reach its own pods). untold: allowed with no match type in the line: masked, or passed without a look at policies. share leaves untold out, and is NULL where nothing is left. A verdict is written for the first packet of a connection only, on nodes and endpoints that have policy verdicts switched on: what has none is in no row, and neither is a service that nobody talked to."
-- needs = "policy verdicts"
-- [defaults]
-- limit = 100
-- [[columns]]
-- name = "service"
-- unit = ""
-- help = "Whose policies decided: the server of INGRESS, the client of EGRESS."
-- [[columns]]
-- name = "traffic_direction"
-- unit = ""
-- help = "INGRESS or EGRESS; NULL where the log does not say, and service is the server."
-- [[columns]]
-- name = "connections"
-- unit = "count"
-- help = "Distinct connections with a policy verdict."
-- [[columns]]
-- name = "named"
-- unit = "count"
-- help = "Allowed by a policy that the log names."
-- [[columns]]
-- name = "unnamed"
-- unit = "count"
-- help = "Allowed by a rule that the log does not name."
-- [[columns]]
-- name = "unrestricted"
-- unit = "count"
-- help = "Allowed because no policy restricts it."
-- [[columns]]
-- name = "untold"
-- unit = "count"
-- help = "Allowed, and the log does not tell by what."
-- [[columns]]
-- name = "denied"
-- unit = "count"
-- help = "Denied."
-- [[columns]]
-- name = "audited"
-- unit = "count"
-- help = "Let through by audit mode; would be denied."
-- [[columns]]
-- name = "share"
-- unit = "ratio"
-- help = "Decided by a policy (named, unnamed, denied, audited), of all but untold."
WITH verdicts AS (
  SELECT
    CASE
      WHEN traffic_direction = 'INGRESS' AND direction = 'reply' THEN client
      WHEN traffic_direction = 'EGRESS' AND direction <> 'reply' THEN client
      ELSE server
    END AS service,
    traffic_direction, verdict, policy_match_type,
    -- Without addresses what is known of both ends stands for the connection.
    coalesce(connection_id, concat('? ', client, ' ', server, ' ', CAST(server_port AS STRING))) AS connection_key,
    -- A list may begin with rules of Cilium's own, which have no name.
    ingress_allowed_by[1] AS ingress_1, ingress_allowed_by[2] AS ingress_2, ingress_allowed_by[3] AS ingress_3,
    egress_allowed_by[1] AS egress_1, egress_allowed_by[2] AS egress_2, egress_allowed_by[3] AS egress_3
  FROM flows
  WHERE event_type = 5 AND coalesce(flow_type, '') <> 'SOCK'
    AND verdict IN ('FORWARDED', 'REDIRECTED', 'DROPPED', 'AUDIT')
),
named AS (
  SELECT
    service, traffic_direction, connection_key, verdict, policy_match_type,
    coalesce(ingress_1.name, ingress_2.name, ingress_3.name, egress_1.name, egress_2.name, egress_3.name) AS policy
  FROM verdicts
),
classed AS (
  SELECT
    service, traffic_direction, connection_key,
    min(CASE
      WHEN verdict = 'DROPPED' THEN 1
      WHEN verdict = 'AUDIT' THEN 2
      WHEN coalesce(policy, '') <> '' THEN 6
      WHEN policy_match_type = 4 THEN 3
      WHEN coalesce(policy_match_type, 0) = 0 THEN 4
      ELSE 5
    END) AS class
  FROM named
  GROUP BY service, traffic_direction, connection_key
),
summed AS (
  SELECT
    service, traffic_direction,
    count(*) AS connections,
    sum(CASE WHEN class = 6 THEN 1 ELSE 0 END) AS named,
    sum(CASE WHEN class = 5 THEN 1 ELSE 0 END) AS unnamed,
    sum(CASE WHEN class = 3 THEN 1 ELSE 0 END) AS unrestricted,
    sum(CASE WHEN class = 4 THEN 1 ELSE 0 END) AS untold,
    sum(CASE WHEN class = 1 THEN 1 ELSE 0 END) AS denied,
    sum(CASE WHEN class = 2 THEN 1 ELSE 0 END) AS audited,
    sum(CASE WHEN class IN (1, 2, 5, 6) THEN 1 ELSE 0 END) AS decided,
    sum(CASE WHEN class = 4 THEN 0 ELSE 1 END) AS told
  FROM classed
  GROUP BY service, traffic_direction
)
SELECT
  service, traffic_direction, connections, named, unnamed, unrestricted, untold, denied, audited,
  CASE WHEN told > 0 THEN CAST(decided AS DOUBLE) / told END AS share
FROM summed
ORDER BY share NULLS LAST, connections DESC, service NULLS LAST, traffic_direction NULLS LAST
LIMIT $limit
