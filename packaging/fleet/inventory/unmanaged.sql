-- Running EC2 instances that Systems Manager does not manage, or no longer: EC2 as
-- AWS Config saw it last, minus the nodes of the inventory that are not lost. The
-- cause is the last that reached the inventory, while the node was managed; for the
-- cause of now read ssm_doctor_root_cause_info of that host.
WITH latest AS (
  SELECT accountid, region, max(dt) AS dt
  FROM ssm_doctor.config_snapshot
  GROUP BY accountid, region
),
ec2 AS (
  SELECT DISTINCT
    i.resourceid AS instance,
    i.awsaccountid AS account,
    i.awsregion AS region,
    element_at(i.tags, 'Name') AS name,
    json_extract_scalar(i.configuration, '$.iaminstanceprofile.arn') AS profile
  FROM ssm_doctor.config_snapshot s
  JOIN latest l ON s.accountid = l.accountid AND s.region = l.region AND s.dt = l.dt
  CROSS JOIN UNNEST(s.configurationitems) AS t (i)
  WHERE i.resourcetype = 'AWS::EC2::Instance'
    AND json_extract_scalar(i.configuration, '$.state.name') = 'running'
),
node AS (
  SELECT resourceid, max_by(instancestatus, capturetime) AS status, max(capturetime) AS seen
  FROM ssm_doctor.instance_information
  GROUP BY resourceid
),
doctor AS (
  SELECT resourceid, max_by(cause, capturetime) AS cause, max_by(fix, capturetime) AS fix, max(capturetime) AS seen
  FROM ssm_doctor.doctor
  GROUP BY resourceid
)
SELECT
  e.account, e.region, e.instance, e.name, e.profile,
  n.seen AS last_managed,
  coalesce(d.cause, 'never reported') AS last_cause,
  d.fix AS last_fix
FROM ec2 e
LEFT JOIN node n ON n.resourceid = e.instance
LEFT JOIN doctor d ON d.resourceid = e.instance
WHERE n.resourceid IS NULL
   OR n.status IN ('ConnectionLost', 'Inactive', 'Terminated', 'Stopped')
   OR from_iso8601_timestamp(n.seen) < current_timestamp - INTERVAL '2' DAY
ORDER BY e.account, e.region, e.instance;
