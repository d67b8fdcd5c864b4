import { StageError, type Caller__Output } from '../../node-extension/src/stagehouse/index.js'

/** How long it is known what came of a request, in milliseconds. */
const KNOWN = 24 * 60 * 60 * 1000

interface Outcome {
  at: number
  digest: string
  value?: unknown
  error?: StageError
}

/** What came of requests that are to happen once however often they are asked for. It is kept in memory, as everything here is. */
export class Kept {
  readonly #outcomes = new Map<string, Outcome>() // the oldest first

  /** Does f, or returns, or throws, what came of the same request before, and says that by calling replayed. */
  once<T>(caller: Caller__Output | null, replayed: () => void, f: () => T): T {
    const once = caller?.once
    if (!once) return f()
    const earlier = this.#find(caller)
    if (earlier) {
      replayed()
      if (earlier.error) throw earlier.error
      return earlier.value as T
    }
    try {
      const value = f()
      this.#keep(caller, { at: Date.now(), digest: once.digest, value })
      return value
    } catch (error) {
      if (error instanceof StageError && keeps(error)) this.#keep(caller, { at: Date.now(), digest: once.digest, error })
      throw error
    }
  }

  /** Returns what came of a request of the same key before; undefined = nothing yet, or a failure. */
  earlier(caller: Caller__Output | null): unknown {
    return this.#find(caller)?.value
  }

  #find(caller: Caller__Output | null): Outcome | undefined {
    if (!caller?.once) return undefined
    const outcome = this.#outcomes.get(keyOf(caller))
    if (!outcome || outcome.at < Date.now() - KNOWN) return undefined
    if (outcome.digest !== caller.once.digest) throw new StageError('idempotency_key_reused', 'the key belongs to another request')
    return outcome
  }

  #keep(caller: Caller__Output, outcome: Outcome): void {
    this.#outcomes.delete(keyOf(caller))
    this.#outcomes.set(keyOf(caller), outcome)
    for (const [key, { at }] of this.#outcomes) {
      if (at >= Date.now() - KNOWN) break
      this.#outcomes.delete(key)
    }
  }
}

const keyOf = (c: Caller__Output): string => JSON.stringify([c.principal, c.once?.scope, c.once?.key])

/** Whether a failure would be the same the next time. */
const keeps = (e: StageError): boolean => e.httpStatus < 500 && !['rate_limited', 'busy', 'cancelled', 'idempotency_key_reused'].includes(e.code)
