-- Athena, one statement at a time: reports as they land in S3, one a line (check -o jsonl),
-- under s3://BUCKET/ssm-doctor/YYYY/MM/DD/. Replace BUCKET. Days are projected: nothing
-- is to be loaded when one is added. The views are plain SQL; the numbers of TestReportViews
-- come from DuckDB over generated reports, the table was not tried in Athena. The dashboard
-- ../../grafana/ssm-doctor-fleet.json asks the views.
CREATE EXTERNAL TABLE IF NOT EXISTS ssm_doctor.reports (
  generated_at string,
  version string,
  redacted boolean,
  state string,
  summary string,
  agent_version string,
  node struct<id: string, kind: string, region: string, account: string, os: string, image: string, vpc: string, subnet: string>,
  root_cause struct<id: string, severity: string, title: string, confidence: string>
)
PARTITIONED BY (day string)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES ('ignore.malformed.json' = 'true')
LOCATION 's3://BUCKET/ssm-doctor/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.day.type' = 'date',
  'projection.day.format' = 'yyyy/MM/dd',
  'projection.day.range' = '2026/01/01,NOW',
  'storage.location.template' = 's3://BUCKET/ssm-doctor/${day}/'
);

-- The latest report of each host and day.
CREATE OR REPLACE VIEW ssm_doctor.report_of_day AS
SELECT day, host, account, region, image, subnet, agent_version, state, cause, severity, generated_at
FROM (
  SELECT day, node.id AS host, node.account AS account, node.region AS region, node.image AS image, node.subnet AS subnet, agent_version, state,
    coalesce(root_cause.id, 'none') AS cause, root_cause.severity AS severity, generated_at,
    row_number() OVER (PARTITION BY node.id, day ORDER BY generated_at DESC) AS n
  FROM ssm_doctor.reports
  WHERE node.id <> ''
) AS x
WHERE n = 1;

-- The latest report of each host.
CREATE OR REPLACE VIEW ssm_doctor.report_of_host AS
SELECT day, host, account, region, image, subnet, agent_version, state, cause, severity, generated_at
FROM (
  SELECT day, host, account, region, image, subnet, agent_version, state, cause, severity, generated_at,
    row_number() OVER (PARTITION BY host ORDER BY day DESC) AS n
  FROM ssm_doctor.report_of_day
) AS x
WHERE n = 1;

-- How many hosts have which cause, by day and account.
CREATE OR REPLACE VIEW ssm_doctor.causes_by_day AS
SELECT day, account, cause, count(*) AS hosts
FROM ssm_doctor.report_of_day
WHERE state <> 'managed'
GROUP BY day, account, cause;

-- The cause of each host that is not managed by its latest report, and since which day
-- it is so: the first day after the last on which it was managed or had another cause.
CREATE OR REPLACE VIEW ssm_doctor.sick_since AS
SELECT h.host, h.account, h.region, h.cause, h.day AS last_seen, min(d.day) AS since
FROM (
  SELECT host, account, region, state, cause, day, row_number() OVER (PARTITION BY host ORDER BY day DESC) AS n
  FROM ssm_doctor.report_of_day
) AS h
JOIN ssm_doctor.report_of_day AS d ON d.host = h.host AND d.state <> 'managed' AND d.cause = h.cause
LEFT JOIN (
  SELECT a.host, max(a.day) AS day
  FROM ssm_doctor.report_of_day AS a
  JOIN (SELECT host, state, cause, row_number() OVER (PARTITION BY host ORDER BY day DESC) AS n FROM ssm_doctor.report_of_day) AS l ON l.host = a.host AND l.n = 1
  WHERE a.state = 'managed' OR a.cause <> l.cause
  GROUP BY a.host
) AS o ON o.host = h.host
WHERE h.n = 1 AND h.state <> 'managed' AND (o.day IS NULL OR d.day > o.day)
GROUP BY h.host, h.account, h.region, h.cause, h.day;
