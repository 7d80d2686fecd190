SELECT
  server,
  count(*) AS timed,
  CAST(floor(quantile_cont(coalesce(paired_ns, recorded_ns), 0.5) + 0.5) AS BIGINT) AS p50,
  CAST(floor(quantile_cont(coalesce(paired_ns, recorded_ns), 0.95) + 0.5) AS BIGINT) AS p95
FROM requests
WHERE response_ns IS NOT NULL AND denied = 0 AND (paired_ns IS NOT NULL OR recorded_ns IS NOT NULL)
GROUP BY server
ORDER BY server NULLS LAST
