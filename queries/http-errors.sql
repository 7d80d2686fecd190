-- title = "HTTP errors"
-- answers = "Which services answered with 4xx and 5xx, and in what share."
-- theme = "http"
-- weight = 80
-- audience = ["incident"]
-- chart = "bar"
-- notes = "Each request is counted at one proxy: the server's (INGRESS) where it reports, else the client's. Shares are of responses; retries by a proxy are responses of their own. A request denied by a layer 7 policy is told apart, as its 403 comes from the proxy and not from the service."
-- needs = "l7 http"
-- [defaults]
-- limit = 20
-- [[columns]]
-- name = "server"
-- unit = ""
-- help = "Best name of the server."
-- [[columns]]
-- name = "responses"
-- unit = "count"
-- help = "Responses, without the 403 of denied requests."
-- [[columns]]
-- name = "errors_4xx"
-- unit = "count"
-- help = "Status 400 to 499."
-- [[columns]]
-- name = "errors_5xx"
-- unit = "count"
-- help = "Status 500 to 599."
-- [[columns]]
-- name = "share_4xx"
-- unit = "ratio"
-- help = "errors_4xx of responses."
-- [[columns]]
-- name = "share_5xx"
-- unit = "ratio"
-- help = "errors_5xx of responses."
-- [[columns]]
-- name = "denied"
-- unit = "count"
-- help = "Requests denied by a layer 7 policy."
-- [[columns]]
-- name = "first_seen"
-- unit = "time"
-- help = "First error or denial."
-- [[columns]]
-- name = "last_seen"
-- unit = "time"
-- help = "Last error or denial."
WITH counted AS (
  SELECT
    server,
    sum(CASE WHEN response_ns IS NOT NULL AND denied = 0 THEN 1 ELSE 0 END) AS responses,
    sum(CASE WHEN denied = 0 AND code >= 400 AND code < 500 THEN 1 ELSE 0 END) AS errors_4xx,
    sum(CASE WHEN denied = 0 AND code >= 500 AND code < 600 THEN 1 ELSE 0 END) AS errors_5xx,
    sum(denied) AS denied,
    min(CASE WHEN denied = 1 THEN time_ns WHEN code >= 400 THEN response_ns END) AS first_seen,
    max(CASE WHEN denied = 1 THEN time_ns WHEN code >= 400 THEN response_ns END) AS last_seen
  FROM requests
  GROUP BY server
)
SELECT
  server, responses, errors_4xx, errors_5xx,
  CASE WHEN responses > 0 THEN CAST(errors_4xx AS DOUBLE) / responses END AS share_4xx,
  CASE WHEN responses > 0 THEN CAST(errors_5xx AS DOUBLE) / responses END AS share_5xx,
  denied, first_seen, last_seen
FROM counted
WHERE responses > 0 OR denied > 0
ORDER BY share_5xx DESC NULLS LAST, share_4xx DESC NULLS LAST, denied DESC, responses DESC, server NULLS LAST
LIMIT $limit
