import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js'

/** Something that is wrong with a block of configuration. */
export interface Problem {
  severity: 'error' | 'warning'
  /** Where, as a JSON pointer from the block; '' is all of it. */
  pointer: string
  message: string
  suggestion?: string
}

/** A JSON Schema of 2020-12 whose defaults are filled in. */
export type Schema = Record<string, unknown>

/** What a block of configuration comes to: its value, or why it has none. */
export interface Judged<C> {
  config?: C
  problems: Problem[]
}

/** Holds a block against its schema, and then against what a schema cannot say. All problems are found in one pass. */
export function judge<C>(schema: Schema, block: Uint8Array, validate?: (config: C) => Problem[]): Judged<C> {
  let config: unknown
  try {
    config = JSON.parse(Buffer.from(block).toString().trim() || '{}')
  } catch (err) {
    return { problems: [{ severity: 'error', pointer: '', message: `the block is not JSON: ${(err as Error).message}` }] }
  }
  const check = new Ajv2020({ allErrors: true, useDefaults: true, strict: false }).compile({ type: 'object', additionalProperties: false, ...schema })
  if (!check(config)) return { problems: (check.errors ?? []).map((e) => worded(e, schema)) }
  const problems = validate?.(config as C) ?? []
  return problems.some((p) => p.severity === 'error') ? { problems } : { config: config as C, problems }
}

function worded(e: ErrorObject, schema: Schema): Problem {
  const at = e.instancePath
  if (e.keyword === 'additionalProperties') {
    const key = String((e.params as { additionalProperty: string }).additionalProperty)
    const known = Object.keys((schema.properties as object | undefined) ?? {})
    return { severity: 'error', pointer: `${at}/${escaped(key)}`, message: 'unknown key', suggestion: `the keys are ${known.join(', ')}` }
  }
  if (e.keyword === 'enum') {
    return { severity: 'error', pointer: at, message: `must be one of ${(e.params as { allowedValues: unknown[] }).allowedValues.join(', ')}` }
  }
  return { severity: 'error', pointer: at, message: e.message ?? e.keyword }
}

const escaped = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1')
