import { StageError } from '../../node-extension/src/stagehouse/index.js'

/** How much is on a page that does not say. */
export const PAGE = 50

/** Reads a cursor that a page has given, which must look like that. */
export function at(cursor: string, form: RegExp): number {
  const found = form.exec(cursor)
  if (!found) throw new StageError('invalid_argument', 'the cursor is none that a page has given', { fields: [{ location: 'cursor', message: 'pass back what a page has given' }] })
  return Number(found[1])
}

/** One page of a list, whose cursor is how far it has come. */
export function page<T>(all: T[], q: { limit: number; cursor: string }): [T[], string] {
  const from = q.cursor === '' ? 0 : at(q.cursor, /^(\d+)$/)
  const to = from + (q.limit || PAGE)
  return [all.slice(from, to), to < all.length ? String(to) : '']
}
