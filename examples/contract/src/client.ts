import createClient, { type Client } from 'openapi-fetch';
import type { components, paths } from './api.js';

export type Agent = components['schemas']['Agent'];
export type Message = components['schemas']['Message'];
export type Problem = components['schemas']['Problem'];
export type Run = components['schemas']['Run'];

/** Answers are JSON, and so are problems; streams of events are for `fetch` and `EventSource`. */
export type Stagehouse = Client<paths, `application/${string}`>;

/** A client of the server at a URL. */
export function connect(url: string, token: string): Stagehouse {
  return createClient<paths, `application/${string}`>({
    baseUrl: url,
    headers: { Authorization: `Bearer ${token}` },
    querySerializer: { object: { style: 'form', explode: true } }, // metadata.<name>=<value>
  });
}

/** What the server says about a request that it did not carry out. Depend on `problem.code`. */
export class ProblemError extends Error {
  constructor(readonly problem: Problem) {
    super(`${problem.code}: ${problem.detail}`);
    this.name = 'ProblemError';
  }
}

type Answer<T> = { data: T; error?: never } | { data?: never; error: Problem };

/** The data of an answer; an error is thrown as a ProblemError. */
export async function unwrap<T>(answer: Promise<Answer<T>>): Promise<T> {
  const { data, error } = await answer;
  if (error !== undefined) throw new ProblemError(error);
  return data as T;
}
