SELECT client, server, server_port, l4_protocol, count(DISTINCT connection_id) AS seen
FROM flows
WHERE coalesce(flow_type, '') <> 'SOCK'
  AND coalesce(verdict, '') NOT IN ('TRACED', 'TRANSLATED')
  AND direction <> 'unknown'
  AND (server_is_outside OR (coalesce(server_identity, 0) = 0 AND server = 'world'))
  AND NOT coalesce(client_is_outside, FALSE)
  AND coalesce(client, '') <> 'world'
GROUP BY client, server, server_port, l4_protocol
ORDER BY client NULLS LAST, server NULLS LAST, server_port NULLS LAST, l4_protocol NULLS LAST
