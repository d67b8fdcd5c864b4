import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Server, ServerCredentials, type sendUnaryData } from '@grpc/grpc-js'

import { Broker } from './broker.js'
import { makeCertificate } from './certificate.js'
import { CORE, ENV_CERT, ENV_SOCKETS, MAJOR, MAX_MESSAGE } from './protocol.js'
import { services } from './protos.js'

/**
 * The process's side of go-plugin: a gRPC server with mutual TLS, which the host finds by the handshake. Add services to
 * `server`, then call `handshake`.
 */
export class Plugin {
  readonly server = new Server({ 'grpc.max_receive_message_length': MAX_MESSAGE, 'grpc.max_send_message_length': MAX_MESSAGE })
  readonly broker: Broker
  /** Done when the host has told the process to end. */
  readonly shutdown: Promise<void>

  readonly #own = makeCertificate()
  readonly #hostPEM: string

  constructor(env: NodeJS.ProcessEnv = process.env) {
    this.#hostPEM = env[ENV_CERT] ?? ''
    if (this.#hostPEM === '') throw new Error(`the host gave no certificate in ${ENV_CERT}; run this program under stagehouse`)
    this.broker = new Broker(this.#own, this.#hostPEM)
    this.server.addService(services.plugin.GRPCBroker.service, this.broker.handlers)
    this.server.addService(services.grpc.health.v1.Health.service, {
      Check: (_call: unknown, reply: sendUnaryData<object>) => reply(null, { status: 'SERVING' }),
    })
    this.server.addService(services.plugin.GRPCStdio.service, {
      // It never says anything, because the host reads the streams themselves, and lasts as long as the connection.
      StreamStdio: () => undefined,
    })
    this.shutdown = new Promise((resolve) => {
      this.server.addService(services.plugin.GRPCController.service, {
        Shutdown: (_call: unknown, reply: sendUnaryData<object>) => {
          reply(null, {})
          resolve()
        },
      })
    })
  }

  /** Serves, and says so to the host: the line on standard output. Nothing may have been written there before. */
  async handshake(env: NodeJS.ProcessEnv = process.env): Promise<void> {
    const path = join(env[ENV_SOCKETS] ?? tmpdir(), `plugin${randomBytes(6).toString('hex')}`)
    const credentials = ServerCredentials.createSsl(
      Buffer.from(this.#hostPEM), [{ private_key: Buffer.from(this.#own.key), cert_chain: Buffer.from(this.#own.pem) }], true,
    )
    await new Promise<void>((resolve, reject) => {
      this.server.bindAsync(`unix:${path}`, credentials, (err) => (err ? reject(err) : resolve()))
    })
    const certificate = this.#own.der.toString('base64').replace(/=+$/, '')
    process.stdout.write(`${CORE}|${MAJOR}|unix|${path}|grpc|${certificate}|false\n`)
  }
}
