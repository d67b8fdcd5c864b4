/**
 * An error of this library. Its code is stable, its message is for a person.
 *
 * @property {string} code what kind of error it is: a code of the server's, or one of `unknown_outcome`, `closed`, `overflow`,
 *   `lost`
 * @property {boolean} retryable whether the same call may succeed later, without being done twice
 */
export class StagehouseError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{ retryable?: boolean, cause?: unknown }} [more]
   */
  constructor(code, message, { retryable = false, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = new.target.name;
    this.code = code;
    this.retryable = retryable;
  }
}

/** What the server has answered instead of what was asked for: a problem document, or an error frame. */
export class ProblemError extends StagehouseError {
  /** @param {Record<string, any>} problem */
  constructor(problem) {
    super(String(problem.code), problem.detail || problem.title || `the server answers ${problem.code}`, { retryable: Boolean(problem.retryable) });
    this.title = problem.title ?? '';
    this.status = problem.status ?? 0;
    this.errors = problem.errors ?? [];
    this.requestId = problem.requestId ?? '';
    this.retryAfterMs = problem.retryAfterMs ?? 0;
    this.details = problem.details ?? {};
    const known = { ...this.details, ...problem };
    this.runId = known.runId ?? '';
    this.conversationId = known.conversationId ?? '';
    this.threshold = known.threshold ?? 0;
    this.candidates = known.candidates ?? [];
  }
}

/** A connection that could not be made, or is no more. */
export class ConnectionError extends StagehouseError {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{ retryable?: boolean, cause?: unknown, closeCode?: number }} [more]
   */
  constructor(code, message, more = {}) {
    super(code, message, more);
    this.closeCode = more.closeCode ?? 0;
  }
}

/** What has become of a message, when it is not a reply. */
export class TurnError extends StagehouseError {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{ retryable?: boolean, cause?: unknown, runId?: string, conversationId?: string, reason?: string }} [more]
   */
  constructor(code, message, more = {}) {
    super(code, message, more);
    this.runId = more.runId ?? '';
    this.conversationId = more.conversationId ?? '';
    this.reason = more.reason ?? '';
  }
}
