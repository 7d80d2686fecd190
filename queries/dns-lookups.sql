-- title = "Who resolved a name"
-- answers = "Which clients asked for a name, and what they were told."
-- theme = "dns"
-- weight = 20
-- audience = ["compliance"]
-- chart = "none"
-- notes = "Needs layer 7 DNS visibility: who connected without asking, or asked unseen, is not here. Case and trailing dot do not matter. A name reached through a CNAME is found by the name that was asked for."
-- needs = "l7 dns"
-- [defaults]
-- limit = 100
-- [parameters.name]
-- type = "text"
-- positional = true
-- help = "The name, such as api.example.com."
-- [parameters.expanded]
-- type = "boolean"
-- default = false
-- help = "Also names that begin with it, as a search path makes them."
-- [[columns]]
-- name = "client"
-- unit = ""
-- help = "Best name of the client."
-- [[columns]]
-- name = "client_ip"
-- unit = ""
-- help = "Address of the client."
-- [[columns]]
-- name = "name"
-- unit = ""
-- help = "Name asked for, lower case, without the trailing dot."
-- [[columns]]
-- name = "qtype"
-- unit = ""
-- help = "Type asked for: A, AAAA, …"
-- [[columns]]
-- name = "outcome"
-- unit = ""
-- help = "NOERROR, NODATA (name exists, not this type), NXDOMAIN, … , no answer, or dropped."
-- [[columns]]
-- name = "lookups"
-- unit = "count"
-- help = "Lookups; repeated questions are the same lookup."
-- [[columns]]
-- name = "first_seen"
-- unit = "time"
-- help = "When it was first seen."
-- [[columns]]
-- name = "last_seen"
-- unit = "time"
-- help = "When it was last seen."
SELECT
  client, client_ip, name, qtype, outcome,
  count(*) AS lookups,
  min(time_ns) AS first_seen,
  max(last_ns) AS last_seen
FROM lookups
WHERE name = lower($name)
  OR concat(name, '.') = lower($name)
  OR ($expanded AND starts_with(name, concat(lower($name), '.')))
  OR ($expanded AND lower($name) LIKE '%.' AND starts_with(name, lower($name)))
GROUP BY client, client_ip, name, qtype, outcome
ORDER BY lookups DESC, client NULLS LAST, client_ip NULLS LAST, name, qtype NULLS LAST, outcome
LIMIT $limit
