/** Silence after which a stream counts as gone: the server says something every fifteen seconds. */
const SILENCE_MS = 45_000;

/**
 * Resolves when the events of a run have ended, or the stream of them has, for whatever reason.
 *
 * @param {import('./caller.js').Caller} caller
 * @param {string} runId
 * @param {AbortSignal} [signal]
 */
export async function untilEnd(caller, runId, signal) {
  const quiet = new AbortController();
  const stop = () => quiet.abort();
  let timer = setTimeout(stop, SILENCE_MS);
  signal?.addEventListener('abort', stop);
  try {
    const request = { method: 'GET', path: `api/events?runId=${encodeURIComponent(runId)}`, headers: { Accept: 'text/event-stream' } };
    const { ok, body } = await caller.fetch(request, quiet.signal);
    if (!ok || !body) return await pause();
    for (const reader = body.getReader(); !(await reader.read()).done; timer = setTimeout(stop, SILENCE_MS)) clearTimeout(timer);
  } catch {
    await pause(); // what became of the run is asked for, and that says what is wrong
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  }
}

function pause() {
  return new Promise((resolve) => setTimeout(resolve, 250));
}
