-- What unmanaged.sql rests on: the newest snapshot of each account and Region, and how many
-- instances are in it. Run it first: no row at all means that the table reads the wrong
-- bucket or accounts, and then an empty list of unmanaged instances means nothing.
WITH snapshot AS (
  SELECT accountid, region, date_parse(dt, '%Y/%c/%e') AS day, configurationitems
  FROM ssm_doctor.config_snapshot
),
latest AS (
  SELECT accountid, region, max(day) AS day
  FROM snapshot
  GROUP BY accountid, region
)
SELECT
  s.accountid, s.region, s.day,
  count(DISTINCT i.resourceid) AS instances,
  count(DISTINCT CASE WHEN json_extract_scalar(i.configuration, '$.state.name') = 'running' THEN i.resourceid END) AS running
FROM snapshot s
JOIN latest l ON s.accountid = l.accountid AND s.region = l.region AND s.day = l.day
CROSS JOIN UNNEST(s.configurationitems) AS t (i)
WHERE i.resourcetype = 'AWS::EC2::Instance'
GROUP BY s.accountid, s.region, s.day
ORDER BY s.accountid, s.region;
