-- Athena, one statement at a time. Replace what is in capitals:
--   BUCKET, PREFIX     of the resource data sync (inventory/resource-data-sync.yaml)
--   CONFIG_BUCKET      to which AWS Config delivers its snapshots, with its prefix if any:
--                      CONFIG_BUCKET or CONFIG_BUCKET/CONFIG_PREFIX
--   ACCOUNTS, REGIONS  all that are to be looked at, by commas: 111122223333,444455556666
--                      and eu-central-1,us-east-1
-- Nothing has to be repaired or added afterwards: Athena works out the folders. AWS Config
-- writes a snapshot only if its delivery channel has a frequency, for example
-- configSnapshotDeliveryProperties={deliveryFrequency=TwentyFour_Hours}.
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
LOCATION 's3://BUCKET/PREFIX/AWS:InstanceInformation/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.accountid.type' = 'enum',
  'projection.accountid.values' = 'ACCOUNTS',
  'projection.region.type' = 'enum',
  'projection.region.values' = 'REGIONS',
  'projection.resourcetype.type' = 'enum',
  'projection.resourcetype.values' = 'EC2Instance,ManagedInstance,ManagedInstanceInventory',
  'storage.location.template' = 's3://BUCKET/PREFIX/AWS:InstanceInformation/accountid=${accountid}/region=${region}/resourcetype=${resourcetype}/'
);

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
LOCATION 's3://BUCKET/PREFIX/Custom:SSMDoctor/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.accountid.type' = 'enum',
  'projection.accountid.values' = 'ACCOUNTS',
  'projection.region.type' = 'enum',
  'projection.region.values' = 'REGIONS',
  'projection.resourcetype.type' = 'enum',
  'projection.resourcetype.values' = 'EC2Instance,ManagedInstance,ManagedInstanceInventory',
  'storage.location.template' = 's3://BUCKET/PREFIX/Custom:SSMDoctor/accountid=${accountid}/region=${region}/resourcetype=${resourcetype}/'
);

-- The folders of AWS Config are AWSLogs/ACCOUNT/Config/REGION/YEAR/MONTH/DAY/ConfigSnapshot,
-- month and day without a leading zero.
CREATE EXTERNAL TABLE IF NOT EXISTS ssm_doctor.config_snapshot (
  configsnapshotid string,
  configurationitems array<struct<
    resourcetype: string,
    resourceid: string,
    awsaccountid: string,
    awsregion: string,
    configurationitemcapturetime: string,
    configurationitemstatus: string,
    configuration: string,
    tags: map<string, string>>>
)
PARTITIONED BY (accountid string, region string, dt string)
ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'
WITH SERDEPROPERTIES ('ignore.malformed.json' = 'true', 'case.insensitive' = 'true')
LOCATION 's3://CONFIG_BUCKET/AWSLogs/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.accountid.type' = 'enum',
  'projection.accountid.values' = 'ACCOUNTS',
  'projection.region.type' = 'enum',
  'projection.region.values' = 'REGIONS',
  'projection.dt.type' = 'date',
  'projection.dt.format' = 'yyyy/M/d',
  'projection.dt.range' = 'NOW-14DAYS,NOW',
  'projection.dt.interval' = '1',
  'projection.dt.interval.unit' = 'DAYS',
  'storage.location.template' = 's3://CONFIG_BUCKET/AWSLogs/${accountid}/Config/${region}/${dt}/ConfigSnapshot/'
);
