// Runs queries of Athena over folders laid out as AWS lays them out, in DuckDB: the tables
// are what tables.sql says, with its partition projection.
//   node athena.mjs TABLES.sql FOLDER NOW QUERY.sql...
// FOLDER stands for the buckets: FOLDER/NAME for s3://NAME. Prints a JSON list of rows for
// each query.
import { readFileSync, existsSync, readdirSync, writeFileSync, mkdtempSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { join } from 'node:path';
import { createRequire } from 'node:module';

const [ddlFile, folder, nowText, ...queries] = process.argv.slice(2);
const require = createRequire(join(process.env.DUCKDB_MODULES, 'x.js'));
const { DuckDBInstance } = require('@duckdb/node-api');
const now = new Date(nowText);
const work = mkdtempSync(join(folder, '.rows-'));
const db = await (await DuckDBInstance.create(':memory:')).connect();

// What the SerDe makes of keys with case.insensitive.
const deep = process.env.NESTED_KEYS === 'lower';
function lower(v, inText = false) {
  if (Array.isArray(v)) return v.map((x) => lower(x, inText));
  if (v === null || typeof v !== 'object') return v;
  return Object.fromEntries(Object.entries(v).map(([k, x]) => {
    if (k === 'configuration') return [k, JSON.stringify(deep ? lower(x) : x)];
    if (k === 'tags') return ['tags', x];
    return [k.toLowerCase(), lower(x, inText)];
  }));
}

// The type of Hive as DuckDB has it.
function type(t) {
  t = t.trim();
  let m;
  if (t === 'string') return 'VARCHAR';
  if ((m = /^array<([\s\S]*)>$/.exec(t))) return type(m[1]) + '[]';
  if ((m = /^map<\s*string\s*,\s*string\s*>$/.exec(t))) return 'MAP(VARCHAR, VARCHAR)';
  if ((m = /^struct<([\s\S]*)>$/.exec(t))) {
    return 'STRUCT(' + split(m[1]).map((f) => {
      const [, name, of] = /^\s*(\w+)\s*:\s*([\s\S]*)$/.exec(f);
      return `"${name}" ${type(of)}`;
    }).join(', ') + ')';
  }
  throw new Error('type ' + t);
}
function split(list) {
  const parts = [];
  let depth = 0, part = '';
  for (const c of list) {
    if (c === '<') depth++;
    if (c === '>') depth--;
    if (c === ',' && depth === 0) { parts.push(part); part = ''; } else part += c;
  }
  return [...parts, part].filter((p) => p.trim());
}

// Every value that a partition column takes by its projection.
function values(props, name) {
  const p = (k) => props[`projection.${name}.${k}`];
  switch (p('type')) {
    case 'enum': return p('values').split(',');
    case 'date': {
      if (p('format') !== 'yyyy/M/d' || p('interval') !== '1' || p('interval.unit') !== 'DAYS') throw new Error('date projection of ' + name);
      const m = /^NOW-(\d+)DAYS,NOW$/.exec(p('range'));
      return Array.from({ length: Number(m[1]) + 1 }, (_, i) => {
        const d = new Date(now - i * 86400e3);
        return `${d.getUTCFullYear()}/${d.getUTCMonth() + 1}/${d.getUTCDate()}`;
      });
    }
  }
  throw new Error('no projection of ' + name);
}

const ddl = readFileSync(ddlFile, 'utf8').replace(/^\s*--.*$/gm, '');
await db.run('CREATE SCHEMA ssm_doctor');
await db.run(`CREATE MACRO date_parse(a, b) AS CASE WHEN b = '%Y/%c/%e' THEN strptime(a, '%Y/%-m/%-d') ELSE error('format') END`);
await db.run('CREATE MACRO json_extract_scalar(a, b) AS json_extract_string(a, b)');
await db.run('CREATE MACRO from_iso8601_timestamp(a) AS CAST(a AS TIMESTAMPTZ)');
await db.run('CREATE MACRO arbitrary(a) AS any_value(a)');
let n = 0;
for (const statement of split2(ddl)) {
  const m = /CREATE EXTERNAL TABLE IF NOT EXISTS (\S+) \(([\s\S]*?)\n\)\s*PARTITIONED BY \(([^)]*)\)[\s\S]*TBLPROPERTIES \(([\s\S]*)\)\s*$/.exec(statement);
  const props = Object.fromEntries([...m[4].matchAll(/'([^']*)'\s*=\s*'([^']*)'/g)].map((x) => [x[1], x[2]]));
  if (props['projection.enabled'] !== 'true') throw new Error(m[1] + ' has no projection');
  const columns = split(m[2]).map((c) => /^\s*(\w+)\s+([\s\S]*)$/.exec(c)).map((c) => [c[1], type(c[2])]);
  const partitions = split(m[3]).map((c) => c.trim().split(/\s+/)[0]);
  const rows = [];
  const walk = (path, given, left) => {
    if (left.length) {
      for (const v of values(props, left[0])) walk(path.replaceAll('${' + left[0] + '}', v), { ...given, [left[0]]: v }, left.slice(1));
      return;
    }
    const dir = path.replace('s3://', folder + '/');
    if (!existsSync(dir)) return;
    for (const f of readdirSync(dir)) {
      let b = readFileSync(join(dir, f));
      if (f.endsWith('.gz')) b = gunzipSync(b);
      for (const line of b.toString().split('\n').filter((l) => l.trim())) rows.push({ ...lower(JSON.parse(line)), ...given });
    }
  };
  walk(props['storage.location.template'], {}, partitions);
  const file = join(work, `${n++}.json`);
  writeFileSync(file, rows.map((r) => JSON.stringify(r)).join('\n'));
  const all = [...columns, ...partitions.map((p) => [p, 'VARCHAR'])];
  await db.run(`CREATE TABLE ${m[1]} AS SELECT * FROM read_json('${file}', format = 'newline_delimited', maximum_object_size = 268435456, columns = {${all.map(([k, t]) => `"${k}": '${t.replaceAll("'", "''")}'`).join(', ')}})`);
}
function split2(text) { return text.split(/;\s*\n/).map((s) => s.trim()).filter(Boolean); }

for (const q of queries) {
  const text = readFileSync(q, 'utf8').replace(/;\s*$/, '').replaceAll('element_at(', 'map_extract_value(').replaceAll('current_timestamp', `TIMESTAMPTZ '${now.toISOString()}'`);
  const r = await db.runAndReadAll(text);
  console.log(JSON.stringify(r.getRowObjectsJson()));
}
