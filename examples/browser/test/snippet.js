import { readFileSync } from 'node:fs';

/** Returns the only JavaScript under a heading of a document, given with its number signs. */
export function snippet(document, heading) {
  const text = readFileSync(new URL(`../../../${document}`, import.meta.url), 'utf8');
  const [, section] = text.split(`\n${heading}\n`);
  const [, code] = section.split(/\n#{1,3} /)[0].match(/```js\n(.*?)```/s);
  return code;
}
