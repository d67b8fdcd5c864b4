export type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error'

const levels: readonly Level[] = ['trace', 'debug', 'info', 'warn', 'error']

/** The extension's log, which goes to the host's: lines of hclog's JSON on standard error. */
export class Log {
  #least = levels.indexOf('info')

  /** What is below this level is left out from now on. The host says which one. A name that is unknown changes nothing. */
  setLevel(name: string): void {
    const level = levels.indexOf(name as Level)
    if (level >= 0) this.#least = level
  }

  trace(message: string, about: object = {}): void { this.#write('trace', message, about) }
  debug(message: string, about: object = {}): void { this.#write('debug', message, about) }
  info(message: string, about: object = {}): void { this.#write('info', message, about) }
  warn(message: string, about: object = {}): void { this.#write('warn', message, about) }
  error(message: string, about: object = {}): void { this.#write('error', message, about) }

  #write(level: Level, message: string, about: object): void {
    if (levels.indexOf(level) < this.#least) return
    const line = { '@level': level, '@message': message, '@timestamp': new Date().toISOString(), ...about }
    process.stderr.write(JSON.stringify(line, plain) + '\n')
  }
}

/** An error is its text, and a bigint is a number in words: JSON has neither. */
function plain(_key: string, value: unknown): unknown {
  if (value instanceof Error) return value.message
  return typeof value === 'bigint' ? value.toString() : value
}
