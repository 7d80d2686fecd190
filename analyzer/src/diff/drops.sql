SELECT reason, client, server, count(*) AS seen
FROM drops
GROUP BY reason, client, server
ORDER BY reason NULLS LAST, client NULLS LAST, server NULLS LAST
