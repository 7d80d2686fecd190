-- title = "When it began"
-- answers = "For each kind of failure, since when it is more than noise, where it was seen first, and when it was worst."
-- theme = "overview"
-- weight = 100
-- audience = ["incident"]
-- chart = "none"
-- notes = "A stretch of time counts when it has $minimum failures or more, and they are $share or more of all there was of that kind. drops: connections with a dropped packet, of all connections with a packet in the stretch; retries are one. DNS: failed lookups, of all lookups, without those that the resolver's search path made. HTTP: requests denied, with status 500 and above or without a response, of all requests. TCP: attempts refused or never answered and connections reset by the server before their end, of all that were tried or reset in the stretch; dropped attempts are under drops alone. What began within $grace of the end is not called unanswered and not counted. Shares are of the whole log: what fails for one service of a large cluster needs its scope (--service, --namespace) or a smaller share. A kind that never gets there has no row. A log that begins in the middle of it tells only its own beginning, and one from which the exporter left out responses makes every request look unanswered."
-- [defaults]
-- limit = 10
-- [parameters.bucket]
-- type = "duration"
-- default = "1m"
-- help = "Length of a stretch."
-- [parameters.minimum]
-- type = "integer"
-- default = 5
-- help = "Fewest failures of a stretch that counts."
-- [parameters.share]
-- type = "number"
-- default = 0.05
-- help = "Smallest share of failures of a stretch that counts, 0 to 1."
-- [parameters.grace]
-- type = "duration"
-- default = "5s"
-- help = "What began this short a time before the end of the data is not called unanswered."
-- [[columns]]
-- name = "kind"
-- unit = ""
-- help = "drops, DNS, HTTP or TCP."
-- [[columns]]
-- name = "client"
-- unit = ""
-- help = "Client of the first failure in the first such stretch."
-- [[columns]]
-- name = "server"
-- unit = ""
-- help = "Its server."
-- [[columns]]
-- name = "failures"
-- unit = "count"
-- help = "Failures in the first such stretch."
-- [[columns]]
-- name = "total"
-- unit = "count"
-- help = "All connections, lookups or requests in it, failed or not."
-- [[columns]]
-- name = "stretches"
-- unit = "count"
-- help = "How many stretches count."
-- [[columns]]
-- name = "peak_failures"
-- unit = "count"
-- help = "Failures in the stretch that has most."
-- [[columns]]
-- name = "began"
-- unit = "time"
-- help = "Start of the first stretch that counts, a multiple of its length since 1970."
-- [[columns]]
-- name = "peak"
-- unit = "time"
-- help = "Start of the stretch with most failures, the earliest of several."
-- [[columns]]
-- name = "last_stretch"
-- unit = "time"
-- help = "Start of the last stretch that counts."
WITH touched AS (
  SELECT
    time_ns - time_ns % $bucket AS stretch,
    coalesce(max(CASE WHEN client LIKE '%/%' THEN client END), max(client)) AS client,
    coalesce(max(CASE WHEN server LIKE '%/%' THEN server END), max(server)) AS server,
    min(CASE WHEN verdict = 'DROPPED' THEN time_ns END) AS drop_ns
  FROM flows
  WHERE time_ns IS NOT NULL
    AND coalesce(flow_type, '') NOT IN ('SOCK', 'L7')
    AND coalesce(verdict, '') NOT IN ('TRACED', 'TRANSLATED')
    AND l7_type IS NULL
  GROUP BY time_ns - time_ns % $bucket,
    -- Without addresses what is known of both ends stands for the connection.
    coalesce(connection_id, concat('? ', client, ' ', server, ' ', CAST(server_port AS STRING)))
),
-- Each connection once: where the server reset it, else where it was tried.
resets AS (
  SELECT
    client, server, state, syn_ns,
    CASE
      WHEN reset_by = 'server' AND (fin_ns IS NULL OR reset_ns < fin_ns) AND coalesce(state, 'answered') = 'answered'
        THEN reset_ns
    END AS cut_ns
  FROM connections
  WHERE l4_protocol = 'TCP'
),
attempts AS (
  SELECT
    client, server, coalesce(cut_ns, syn_ns) AS at_ns,
    CASE WHEN cut_ns IS NOT NULL OR state IN ('refused', 'unanswered') THEN 1 ELSE 0 END AS failed
  FROM resets
  WHERE cut_ns IS NOT NULL
    OR state IN ('answered', 'refused')
    OR (state = 'unanswered' AND syn_ns <= $until - $grace)
),
counted AS (
  SELECT
    'drops' AS kind, stretch, CAST(count(drop_ns) AS BIGINT) AS failures, CAST(count(*) AS BIGINT) AS total
  FROM touched
  GROUP BY stretch
  UNION ALL
  SELECT
    'DNS' AS kind, time_ns - time_ns % $bucket AS stretch,
    CAST(sum(CASE WHEN outcome IN ('NOERROR', 'NODATA') THEN 0 ELSE 1 END) AS BIGINT) AS failures,
    CAST(count(*) AS BIGINT) AS total
  FROM lookups
  WHERE superseded = 0 AND time_ns IS NOT NULL AND (outcome <> 'no answer' OR request_ns <= $until - $grace)
  GROUP BY time_ns - time_ns % $bucket
  UNION ALL
  SELECT
    'HTTP' AS kind, time_ns - time_ns % $bucket AS stretch,
    CAST(sum(CASE WHEN denied = 1 OR code >= 500 OR response_ns IS NULL THEN 1 ELSE 0 END) AS BIGINT) AS failures,
    CAST(count(*) AS BIGINT) AS total
  FROM requests
  WHERE time_ns IS NOT NULL AND (denied = 1 OR response_ns IS NOT NULL OR request_ns <= $until - $grace)
  GROUP BY time_ns - time_ns % $bucket
  UNION ALL
  SELECT
    'TCP' AS kind, at_ns - at_ns % $bucket AS stretch,
    CAST(sum(failed) AS BIGINT) AS failures, CAST(count(*) AS BIGINT) AS total
  FROM attempts
  GROUP BY at_ns - at_ns % $bucket
),
failed AS (
  SELECT 'drops' AS kind, stretch, drop_ns AS at_ns, client, server
  FROM touched
  WHERE drop_ns IS NOT NULL
  UNION ALL
  SELECT 'DNS' AS kind, time_ns - time_ns % $bucket AS stretch, time_ns AS at_ns, client, server
  FROM lookups
  WHERE superseded = 0 AND time_ns IS NOT NULL AND outcome NOT IN ('NOERROR', 'NODATA')
    AND (outcome <> 'no answer' OR request_ns <= $until - $grace)
  UNION ALL
  SELECT 'HTTP' AS kind, time_ns - time_ns % $bucket AS stretch, time_ns AS at_ns, client, server
  FROM requests
  WHERE time_ns IS NOT NULL
    AND (denied = 1 OR code >= 500 OR (response_ns IS NULL AND request_ns <= $until - $grace))
  UNION ALL
  SELECT 'TCP' AS kind, at_ns - at_ns % $bucket AS stretch, at_ns, client, server
  FROM attempts
  WHERE failed = 1
),
crossings AS (
  SELECT
    kind AS crossed_kind, stretch AS crossed, failures, total,
    row_number() OVER (PARTITION BY kind ORDER BY stretch) AS place,
    row_number() OVER (PARTITION BY kind ORDER BY -failures, stretch) AS rank_of_failures
  FROM counted
  WHERE failures >= $minimum AND failures > 0 AND CAST(failures AS DOUBLE) / total >= $share
),
spans AS (
  SELECT
    crossed_kind,
    max(CASE WHEN place = 1 THEN failures END) AS failures,
    max(CASE WHEN place = 1 THEN total END) AS total,
    count(*) AS stretches,
    max(failures) AS peak_failures,
    min(crossed) AS began,
    max(CASE WHEN rank_of_failures = 1 THEN crossed END) AS peak,
    max(crossed) AS last_stretch
  FROM crossings
  GROUP BY crossed_kind
),
hits AS (
  SELECT
    kind, client, server, failures, total, stretches, peak_failures, began, peak, last_stretch,
    row_number() OVER (
      PARTITION BY kind ORDER BY at_ns, coalesce(client, ''), coalesce(server, '')
    ) AS hit
  FROM failed
  JOIN spans ON kind = crossed_kind AND stretch = began
)
SELECT kind, client, server, failures, total, stretches, peak_failures, began, peak, last_stretch
FROM hits
WHERE hit = 1
ORDER BY began, kind
LIMIT $limit
