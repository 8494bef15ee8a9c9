// Runs the views of a file of SQL over reports in DuckDB and prints what queries say, each
// as JSON on a line:
//   node views.mjs SQL REPORTS.jsonl QUERY...
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
const { DuckDBInstance } = createRequire(process.env.DUCKDB_MODULES + '/')('@duckdb/node-api')
const [sql, reports, ...queries] = process.argv.slice(2)
const c = await (await DuckDBInstance.create(':memory:')).connect()
await c.run('CREATE SCHEMA ssm_doctor')
await c.run("CREATE MACRO date_parse(s, f) AS strptime(s, f)") // of Athena
await c.run(`CREATE TABLE ssm_doctor.reports AS SELECT * FROM read_json('${reports}', format = 'newline_delimited', columns = {
  generated_at: 'VARCHAR', version: 'VARCHAR', redacted: 'BOOLEAN', state: 'VARCHAR', summary: 'VARCHAR', agent_version: 'VARCHAR', day: 'VARCHAR',
  node: 'STRUCT(id VARCHAR, kind VARCHAR, region VARCHAR, account VARCHAR, os VARCHAR, image VARCHAR, vpc VARCHAR, subnet VARCHAR)',
  root_cause: 'STRUCT(id VARCHAR, severity VARCHAR, title VARCHAR, confidence VARCHAR)'})`)
for (const s of readFileSync(sql, 'utf8').split(';')) if (/CREATE OR REPLACE VIEW/.test(s)) await c.run(s)
for (const q of queries) {
  const r = await c.runAndReadAll(q)
  console.log(JSON.stringify({ columns: r.columnNames(), rows: r.getRows().map((row) => row.map(String)) }))
}
