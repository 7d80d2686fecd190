WITH parts AS (
  SELECT
    client, server, server_port, l4_protocol, 1 AS connections, 0 AS requests, 0 AS refused_requests,
    CASE
      WHEN state IN ('answered', 'refused', 'dropped') THEN 1
      WHEN state = 'unanswered' AND syn_ns <= $until - 5000000000 THEN 1
      ELSE 0
    END AS judged,
    CASE
      WHEN state IN ('refused', 'dropped') THEN 1
      WHEN state = 'unanswered' AND syn_ns <= $until - 5000000000 THEN 1
      ELSE 0
    END AS unopened
  FROM connections
  UNION ALL
  SELECT
    client, server, server_port, l4_protocol, 0 AS connections, 1 AS requests,
    CASE WHEN denied = 1 OR code >= 500 THEN 1 ELSE 0 END AS refused_requests, 0 AS judged, 0 AS unopened
  FROM requests
)
SELECT
  client, server, server_port, l4_protocol,
  CASE WHEN sum(connections) > 0 THEN sum(connections) ELSE sum(requests) END AS seen,
  CASE WHEN sum(requests) > 0 THEN sum(requests) ELSE sum(judged) END AS tried,
  CASE WHEN sum(requests) > 0 THEN sum(refused_requests) ELSE sum(unopened) END AS failed
FROM parts
GROUP BY client, server, server_port, l4_protocol
ORDER BY client NULLS LAST, server NULLS LAST, server_port NULLS LAST, l4_protocol NULLS LAST
