-- Running EC2 instances that Systems Manager does not manage, or no longer: EC2 as
-- AWS Config saw it last, minus the nodes of the inventory that are not lost. The
-- cause is the last that reached the inventory, while the node was managed; for the
-- cause of now read ssm_doctor_root_cause_info of that host.
-- Run regions.sql first: an empty list means "all managed" only for the accounts and
-- Regions that it shows, with the number of instances that are there.
WITH snapshot AS (
  SELECT accountid, region, date_parse(dt, '%Y/%c/%e') AS day, configurationitems
  FROM ssm_doctor.config_snapshot
),
latest AS (
  SELECT accountid, region, max(day) AS day
  FROM snapshot
  GROUP BY accountid, region
),
seen AS (
  SELECT
    i.resourceid AS instance,
    i.awsaccountid AS account,
    i.awsregion AS region,
    max_by(element_at(i.tags, 'Name'), i.configurationitemcapturetime) AS name,
    max_by(coalesce(json_extract_scalar(i.configuration, '$.iamInstanceProfile.arn'), json_extract_scalar(i.configuration, '$.iaminstanceprofile.arn')), i.configurationitemcapturetime) AS profile,
    max_by(json_extract_scalar(i.configuration, '$.state.name'), i.configurationitemcapturetime) AS state,
    max_by(i.configurationitemstatus, i.configurationitemcapturetime) AS status
  FROM snapshot s
  JOIN latest l ON s.accountid = l.accountid AND s.region = l.region AND s.day = l.day
  CROSS JOIN UNNEST(s.configurationitems) AS t (i)
  WHERE i.resourcetype = 'AWS::EC2::Instance'
  GROUP BY i.resourceid, i.awsaccountid, i.awsregion
),
ec2 AS (
  SELECT instance, account, region, name, profile
  FROM seen
  WHERE state = 'running' AND coalesce(status, 'OK') NOT LIKE '%Deleted%'
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
