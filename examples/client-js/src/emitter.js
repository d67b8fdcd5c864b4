/** Listeners by the name of what they listen to. */
export class Emitter {
  /** @type {Map<string, Set<(value: any) => void>>} */
  #listeners = new Map();

  /**
   * Has listener called for every event of that name. Returns a function that ends this.
   *
   * @param {string} name
   * @param {(value: any) => void} listener
   */
  on(name, listener) {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  /**
   * Calls the listeners. One that throws keeps nobody else from being called: its error becomes an uncaught one, as in an
   * EventTarget.
   *
   * @param {string} name
   * @param {unknown} value
   */
  emit(name, value) {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        listener(value);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
