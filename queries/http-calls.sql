-- title = "HTTP calls"
-- answers = "Who called which method and path of whom, and how it went."
-- theme = "http"
-- weight = 26
-- audience = ["incident", "compliance"]
-- chart = "none"
-- notes = "Each request is counted at one proxy: the server's (INGRESS) where it reports, else the client's. A response without its request counts as a request. A request in the last moments before the end is not called unanswered."
-- needs = "l7 http"
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
-- name = "method"
-- unit = ""
-- help = "HTTP method."
-- [[columns]]
-- name = "path"
-- unit = ""
-- help = "Path of the URL, without host and query."
-- [[columns]]
-- name = "requests"
-- unit = "count"
-- help = "Requests."
-- [[columns]]
-- name = "errors"
-- unit = "count"
-- help = "Answered with 400 or above, without the denied ones."
-- [[columns]]
-- name = "denied"
-- unit = "count"
-- help = "Denied by a layer 7 policy."
-- [[columns]]
-- name = "unanswered"
-- unit = "count"
-- help = "No response seen."
-- [[columns]]
-- name = "first_seen"
-- unit = "time"
-- help = "When it was first seen."
-- [[columns]]
-- name = "last_seen"
-- unit = "time"
-- help = "When it was last seen."
SELECT
  client, server, method, path,
  count(*) AS requests,
  sum(CASE WHEN denied = 0 AND code >= 400 THEN 1 ELSE 0 END) AS errors,
  sum(denied) AS denied,
  sum(CASE WHEN denied = 0 AND response_ns IS NULL AND request_ns <= $until - $grace THEN 1 ELSE 0 END) AS unanswered,
  min(time_ns) AS first_seen,
  max(time_ns) AS last_seen
FROM requests
GROUP BY client, server, method, path
ORDER BY requests DESC, client NULLS LAST, server NULLS LAST, method NULLS LAST, path NULLS LAST
LIMIT $limit
