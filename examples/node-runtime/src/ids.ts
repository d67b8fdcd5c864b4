const letters = '0123456789abcdefghjkmnpqrstvwxyz'

function digits(n: number, length: number): string {
  let text = ''
  for (; text.length < length; n = Math.floor(n / 32)) text = letters[n % 32]! + text
  return text
}

let last = 0

/** Returns an id that sorts behind all before it: its kind, the time, and a number, in the form of a lower-case ULID. */
export const newId = (kind: string): string => kind + digits(Date.now(), 10) + digits(++last, 16)

/** Now, as messages have it. */
export function now(): { seconds: number; nanos: number } {
  const ms = Date.now()
  return { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1e6 }
}
