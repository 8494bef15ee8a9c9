-- Athena, one statement at a time. Replace BUCKET, PREFIX, CONFIG_BUCKET and
-- CONFIG_PREFIX. The first two read the resource data sync, the third what AWS
-- Config delivers once a day. After creation, and when accounts or Regions are
-- added: MSCK REPAIR TABLE.
CREATE EXTERNAL TABLE IF NOT EXISTS ssm_doctor.instance_information (
  resourceid string,
  capturetime string,
  instancestatus string,
  agentversion string,
  platformname string,
  computername string
)
PARTITIONED BY (accountid string, region string, resourcetype string)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES ('ignore.malformed.json' = 'true', 'case.insensitive' = 'true')
LOCATION 's3://BUCKET/PREFIX/AWS:InstanceInformation/';

CREATE EXTERNAL TABLE IF NOT EXISTS ssm_doctor.doctor (
  resourceid string,
  capturetime string,
  state string,
  cause string,
  causetitle string,
  severity string,
  summary string,
  fix string,
  checkedat string,
  doctorversion string
)
PARTITIONED BY (accountid string, region string, resourcetype string)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES ('ignore.malformed.json' = 'true', 'case.insensitive' = 'true')
LOCATION 's3://BUCKET/PREFIX/Custom:SSMDoctor/';

CREATE EXTERNAL TABLE IF NOT EXISTS ssm_doctor.config_snapshot (
  configsnapshotid string,
  configurationitems array<struct<
    resourcetype: string,
    resourceid: string,
    awsaccountid: string,
    awsregion: string,
    configurationitemcapturetime: string,
    configuration: string,
    tags: map<string, string>>>
)
PARTITIONED BY (accountid string, region string, dt string)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES ('ignore.malformed.json' = 'true', 'case.insensitive' = 'true')
LOCATION 's3://CONFIG_BUCKET/CONFIG_PREFIX/';
