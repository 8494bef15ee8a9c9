// Parses PowerShell: reads a JSON list of texts from standard input, and prints one of what
// is wrong with each, empty where nothing is.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRequire } from 'node:module';

const modules = process.env.POWERSHELL_MODULES;
const require = createRequire(join(modules, 'x.js'));
const { Parser, Language } = require('web-tree-sitter');
await Parser.init();
const parser = new Parser();
parser.setLanguage(await Language.load(join(modules, 'node_modules/tree-sitter-powershell/tree-sitter-powershell.wasm')));

function wrong(text) {
  const out = [];
  const walk = (n) => {
    if (n.isError || n.isMissing) out.push(`${n.startPosition.row + 1}:${n.startPosition.column + 1} ${n.isMissing ? `no ${n.type}` : JSON.stringify(n.text.slice(0, 60))}`);
    else if (n.hasError) for (let i = 0; i < n.childCount; i++) walk(n.child(i));
  };
  walk(parser.parse(text).rootNode);
  return out.join('; ');
}
console.log(JSON.stringify(JSON.parse(readFileSync(0, 'utf8')).map(wrong)));
