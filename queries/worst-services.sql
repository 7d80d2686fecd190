-- title = "Worst services"
-- answers = "Which services are in the worst state: errors, drops, unanswered connections, slow answers."
-- theme = "http"
-- weight = 78
-- audience = ["incident"]
-- chart = "bar"
-- notes = "score is the largest of three shares, each taken at the lower end of its 95 % confidence interval (Wilson), so that three failures of three do not outrank five hundred of a thousand. A share with fewer observations than the minimum is shown but not scored; a service with no scored share is left out. Each request is counted at one proxy: the server's (INGRESS) where it reports, else the client's."
-- [defaults]
-- limit = 20
-- [parameters.minimum]
-- type = "integer"
-- default = 10
-- help = "Fewest observations that count."
-- [parameters.grace]
-- type = "duration"
-- default = "5s"
-- help = "What began this short a time before the end of the data is not called unanswered."
-- [[columns]]
-- name = "server"
-- unit = ""
-- help = "Best name of the server."
-- [[columns]]
-- name = "requests"
-- unit = "count"
-- help = "HTTP requests with a response."
-- [[columns]]
-- name = "error_share"
-- unit = "ratio"
-- help = "Of them, answered with 5xx."
-- [[columns]]
-- name = "p99_ns"
-- unit = "ns"
-- help = "99th percentile of HTTP latency."
-- [[columns]]
-- name = "connections"
-- unit = "count"
-- help = "TCP connection attempts."
-- [[columns]]
-- name = "drop_share"
-- unit = "ratio"
-- help = "Of them, stopped by a drop."
-- [[columns]]
-- name = "unanswered_share"
-- unit = "ratio"
-- help = "Of those not dropped, never answered."
-- [[columns]]
-- name = "worst"
-- unit = ""
-- help = "The share that made the score: errors, drops or unanswered."
-- [[columns]]
-- name = "score"
-- unit = "ratio"
-- help = "Lower bound of that share."
WITH parts AS (
  SELECT
    server,
    count(*) AS requests,
    sum(CASE WHEN code >= 500 THEN 1 ELSE 0 END) AS errors,
    CAST(floor(quantile_cont(coalesce(paired_ns, CAST(recorded_ns AS BIGINT)), 0.99) + 0.5) AS BIGINT) AS p99_ns,
    0 AS connections, 0 AS dropped, 0 AS undropped, 0 AS unanswered
  FROM requests
  WHERE response_ns IS NOT NULL AND denied = 0
  GROUP BY server
  UNION ALL
  SELECT
    server, 0 AS requests, 0 AS errors, CAST(NULL AS BIGINT) AS p99_ns,
    count(*) AS connections,
    sum(CASE WHEN state = 'dropped' THEN 1 ELSE 0 END) AS dropped,
    sum(CASE WHEN state = 'dropped' THEN 0 ELSE 1 END) AS undropped,
    sum(CASE WHEN state = 'unanswered' THEN 1 ELSE 0 END) AS unanswered
  FROM connections
  WHERE state IN ('answered', 'refused', 'dropped') OR (state = 'unanswered' AND syn_ns <= $until - $grace)
  GROUP BY server
),
counted AS (
  SELECT
    server,
    CAST(sum(requests) AS BIGINT) AS requests,
    CAST(sum(connections) AS BIGINT) AS connections,
    max(p99_ns) AS p99_ns,
    CAST(sum(requests) AS DOUBLE) AS n_errors,
    CAST(sum(connections) AS DOUBLE) AS n_drops,
    CAST(sum(undropped) AS DOUBLE) AS n_unanswered,
    CAST(sum(errors) AS DOUBLE) AS k_errors,
    CAST(sum(dropped) AS DOUBLE) AS k_drops,
    CAST(sum(unanswered) AS DOUBLE) AS k_unanswered
  FROM parts
  GROUP BY server
),
shares AS (
  SELECT
    *,
    CASE WHEN n_errors > 0 THEN k_errors / n_errors END AS error_share,
    CASE WHEN n_drops > 0 THEN k_drops / n_drops END AS drop_share,
    CASE WHEN n_unanswered > 0 THEN k_unanswered / n_unanswered END AS unanswered_share
  FROM counted
),
-- Wilson's lower bound with z = 1.96; 1.9208 is z²/2, 0.9604 z²/4, 3.8416 z². None of any number is exactly 0.
bounds AS (
  SELECT
    *,
    CASE
      WHEN n_errors < $minimum OR n_errors = 0 THEN NULL
      WHEN k_errors = 0 THEN 0.0
      ELSE (error_share + 1.9208 / n_errors
        - 1.96 * sqrt(error_share * (1.0 - error_share) / n_errors + 0.9604 / (n_errors * n_errors)))
        / (1.0 + 3.8416 / n_errors)
    END AS error_bound,
    CASE
      WHEN n_drops < $minimum OR n_drops = 0 THEN NULL
      WHEN k_drops = 0 THEN 0.0
      ELSE (drop_share + 1.9208 / n_drops
        - 1.96 * sqrt(drop_share * (1.0 - drop_share) / n_drops + 0.9604 / (n_drops * n_drops)))
        / (1.0 + 3.8416 / n_drops)
    END AS drop_bound,
    CASE
      WHEN n_unanswered < $minimum OR n_unanswered = 0 THEN NULL
      WHEN k_unanswered = 0 THEN 0.0
      ELSE (unanswered_share + 1.9208 / n_unanswered
        - 1.96 * sqrt(unanswered_share * (1.0 - unanswered_share) / n_unanswered
          + 0.9604 / (n_unanswered * n_unanswered)))
        / (1.0 + 3.8416 / n_unanswered)
    END AS unanswered_bound
  FROM shares
),
scored AS (
  SELECT
    *,
    greatest(coalesce(error_bound, 0.0), coalesce(drop_bound, 0.0), coalesce(unanswered_bound, 0.0)) AS score
  FROM bounds
  WHERE error_bound IS NOT NULL OR drop_bound IS NOT NULL OR unanswered_bound IS NOT NULL
)
SELECT
  server, requests, error_share, p99_ns, connections, drop_share, unanswered_share,
  CASE
    WHEN score = 0 THEN NULL
    WHEN error_bound = score THEN 'errors'
    WHEN drop_bound = score THEN 'drops'
    ELSE 'unanswered'
  END AS worst,
  score
FROM scored
ORDER BY score DESC, p99_ns DESC NULLS LAST, server NULLS LAST
LIMIT $limit
