// Reads AsyncAPI documents as the reference implementation does, and fails with every error and warning that it finds. What it
// only mentions, such as that there is a later version of AsyncAPI, is not looked at.
import { readFile } from 'node:fs/promises';
import { Parser } from '@asyncapi/parser';

const warning = 1; // errors are 0
const parser = new Parser();
let wrong = 0;
for (const file of process.argv.slice(2)) {
  const { document, diagnostics } = await parser.parse(await readFile(file, 'utf8'), { source: file });
  const found = diagnostics.filter((d) => d.severity <= warning);
  for (const d of found) console.error(`${file}: ${d.path.join('.')}: ${d.message} (${d.code})`);
  if (!document || found.length > 0) wrong++;
  else console.log(`${file}: ${document.operations().length} operations, ${document.messages().length} messages`);
}
process.exitCode = wrong > 0 ? 1 : 0;
