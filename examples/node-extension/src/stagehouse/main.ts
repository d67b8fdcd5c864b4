import { Console } from 'node:console'
import { readFileSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs'
import { basename, join } from 'node:path'

import { judge, type Problem } from './config.js'
import { Life, type Definition } from './extension.js'
import { Log } from './log.js'
import { Plugin } from './plugin.js'
import { COOKIE_KEY, COOKIE_VALUE, ENV_CHECK, ENV_LIFELINE, ENV_SOCKETS, ENV_TETHER, MAJOR, ORPHAN_DRAIN } from './protocol.js'
import { services } from './protos.js'
import { connect } from './tether.js'

/**
 * The whole of an extension's main program: it serves the definition to the host that runs it, and exits. With the argument
 * "describe" it prints what it is, with "check" it reads a block of configuration on its standard input and prints what is wrong
 * with it. more adds services of its own to the server that the host calls.
 */
export function main<C>(definition: Definition<C>, more: (plugin: Plugin) => void = () => undefined): void {
  globalThis.console = new Console(process.stderr) // standard output is for answers and the handshake
  run(definition, more).catch((failed: unknown) => {
    console.error(`extension ${definition.name}: ${failed instanceof Error ? failed.message : String(failed)}`)
    process.exit(2)
  })
}

async function run<C>(definition: Definition<C>, more: (plugin: Plugin) => void): Promise<void> {
  const last = process.argv.at(-1)
  if (process.env[ENV_CHECK] === '1') return check(definition, false)
  if (process.env[COOKIE_KEY] === COOKIE_VALUE) return serve(definition, more)
  if (last === 'describe') return print(describe(definition))
  if (last === 'check') return check(definition, true)
  console.error(`${basename(process.argv[1] ?? '')} is ${definition.offers ? 'a runtime' : 'an extension'} of stagehouse (${definition.name} ${definition.version}) and is run by its host, not by hand.

  describe    prints what it is, with the JSON Schema of its configuration
  check       reads its block of the configuration on standard input and prints what is wrong with it`)
  process.exitCode = 2
}

async function serve<C>(definition: Definition<C>, more: (plugin: Plugin) => void): Promise<void> {
  const log = new Log()
  process.stderr.on('error', () => undefined) // a host that is gone reads no log, which must not end the drain
  process.stdout.on('error', () => undefined)
  for (const kind of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(kind, (failed: unknown) => {
      log.error(`${kind} in the extension; it ends`, { error: String(failed), stack: failed instanceof Error ? failed.stack : undefined })
      process.exit(1)
    })
  }
  const sockets = process.env[ENV_SOCKETS]
  const line = connect()
  // A program that the extension starts must not take the line for its own.
  delete process.env[ENV_TETHER]
  delete process.env[ENV_LIFELINE]
  const plugin = new Plugin()
  const life = new Life(definition, plugin.broker, line, log)
  plugin.server.addService(services.stagehouse.v1.Extension.service, life.handlers)
  more(plugin)
  process.on('SIGINT', () => undefined) // the terminal's interrupt is the host's business
  const terminated = new Promise<string>((resolve) => process.once('SIGTERM', () => resolve('told to end by a signal; draining')))
  await plugin.handshake()

  let orphan = false
  const why = await Promise.race([
    plugin.shutdown.then(() => ''),
    terminated,
    line.gone.then(() => {
      orphan = true
      return 'the host is gone; draining'
    }),
  ])
  if (why !== '') log.info(why)
  await life.drain(ORPHAN_DRAIN, true)
  if (orphan) endGroup(sockets)
  process.exit(0)
}

/** Ends what the process has started, together with itself, because nobody else is left to do it. */
function endGroup(sockets: string | undefined): void {
  try {
    for (const name of sockets ? readdirSync(sockets) : []) unlinkSync(join(sockets as string, name))
    if (sockets) rmdirSync(sockets)
  } catch {
    // The next host sweeps what is left.
  }
  try {
    process.kill(-process.pid, 'SIGKILL') // the host has made it the leader of its group
  } catch {
    // It is not, and has no group of its own.
  }
}

function describe<C>(d: Definition<C>): object {
  return {
    name: d.name, version: d.version, summary: d.summary, protocol: MAJOR, requires: d.requires,
    ...(d.offers && { offers: d.offers }),
    configSchema: { $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object', additionalProperties: false, ...d.config },
  }
}

/** A bad block is an answer like any other where the host asks, and a failure by hand. */
function check<C>(d: Definition<C>, byHand: boolean): void {
  const { problems } = judge<C>(d.config, readFileSync(0), d.validate)
  print({ description: describe(d), problems })
  if (byHand && problems.some((p: Problem) => p.severity === 'error')) process.exitCode = 1
}

function print(answer: object): void {
  process.stdout.write(JSON.stringify(answer, null, 2) + '\n')
}
