import assert from 'node:assert/strict';
import { until } from './program.js';

/** The events that a page has seen: it keeps them as seen, in a variable of its own. They are to be those of the log that match. */
export class Seen {
  #program;
  #page;
  #query;
  #since;

  static async from(program, page, query) {
    const seen = new Seen();
    [seen.#program, seen.#page, seen.#query, seen.#since] = [program, page, query, await program.head()];
    await page.evaluate('globalThis.seen = []; undefined');
    return seen;
  }

  #logged() {
    return this.#program.logged(this.#since, this.#query);
  }

  /** Waits until the page has seen as many as there are. */
  caughtUp = async () => {
    const { length } = await this.#logged();
    await until(`the page to see ${length} events`, async () => (await this.#page.evaluate('seen.length')) >= length);
  };

  /** Checks that there were some, and that each was seen once, in its order. */
  async check() {
    const logged = await this.#logged();
    assert.ok(logged.length > 0);
    assert.deepEqual(await this.#page.evaluate('seen.map((e) => e.id)'), logged);
  }
}
