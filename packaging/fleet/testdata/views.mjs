// Runs the views of a file of SQL over reports in DuckDB and prints what they say:
//   node views.mjs SQL REPORTS.jsonl
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
const { DuckDBInstance } = createRequire(process.env.DUCKDB_MODULES + '/')('@duckdb/node-api')
const [sql, reports] = process.argv.slice(2)
const c = await (await DuckDBInstance.create(':memory:')).connect()
await c.run('CREATE SCHEMA ssm_doctor')
await c.run(`CREATE VIEW ssm_doctor.reports AS SELECT * FROM read_json('${reports}', format = 'newline_delimited', columns = {
  generated_at: 'VARCHAR', version: 'VARCHAR', redacted: 'BOOLEAN', state: 'VARCHAR', summary: 'VARCHAR', agent_version: 'VARCHAR', day: 'VARCHAR',
  node: 'STRUCT(id VARCHAR, kind VARCHAR, region VARCHAR, account VARCHAR, os VARCHAR, image VARCHAR, vpc VARCHAR, subnet VARCHAR)',
  root_cause: 'STRUCT(id VARCHAR, severity VARCHAR, title VARCHAR, confidence VARCHAR)'})`)
for (const s of readFileSync(sql, 'utf8').split(';')) if (/CREATE OR REPLACE VIEW/.test(s)) await c.run(s)
const rows = async (q) => (await c.runAndReadAll(q)).getRows().map((r) => r.map(String).join(' ')).join('\n')
console.log(await rows('SELECT day, account, cause, hosts FROM ssm_doctor.causes_by_day ORDER BY day, account, cause'))
console.log(await rows('SELECT count(*), min(since), max(since) FROM ssm_doctor.sick_since'))
console.log(await rows("SELECT host, cause, since, last_seen FROM ssm_doctor.sick_since WHERE host LIKE '%0' ORDER BY host LIMIT 4"))
