import { setTimeout as tick } from 'node:timers/promises';

/** Polls until f returns something true, and returns that. An error of f counts as not yet, until the time is over. */
export async function until(what, f, ms = 20_000) {
  for (const deadline = Date.now() + ms; ; await tick(20)) {
    let last;
    try {
      const found = await f();
      if (found) return found;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`, { cause: last });
  }
}

/** Returns what an async iterator gives, to its end. */
export async function collect(all) {
  const found = [];
  for await (const one of all) found.push(one);
  return found;
}
