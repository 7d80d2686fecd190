SELECT
  name, count(*) AS seen, count(*) AS tried,
  sum(CASE
    WHEN superseded = 1 OR outcome IN ('NOERROR', 'NODATA') THEN 0
    WHEN outcome = 'no answer' AND request_ns > $until - 5000000000 THEN 0
    ELSE 1
  END) AS failed
FROM lookups
GROUP BY name
ORDER BY name NULLS LAST
