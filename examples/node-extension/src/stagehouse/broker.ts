import { ChannelCredentials, type ChannelOptions, type ServerDuplexStream } from '@grpc/grpc-js'

import type { ConnInfo, ConnInfo__Output } from '../../build/proto/plugin/ConnInfo.js'
import type { GRPCBrokerHandlers } from '../../build/proto/plugin/GRPCBroker.js'
import type { Certificate } from './certificate.js'
import { MAX_MESSAGE } from './protocol.js'

/** How long the place of a connection may be ahead of the news of it, in milliseconds. */
const NEWS = 5000

/** Where to connect to, and how. */
export interface Target {
  address: string
  credentials: ChannelCredentials
  options: ChannelOptions
}

/** Broker hears from the host where it accepts further connections. */
export class Broker {
  readonly #own: Certificate
  readonly #hostPEM: string
  readonly #places = new Map<number, string>()
  readonly #waiting = new Map<number, (address: string) => void>()

  /** The connections show own, and accept the host's certificate alone. */
  constructor(own: Certificate, hostPEM: string) {
    this.#own = own
    this.#hostPEM = hostPEM
  }

  /** The service that the host calls. */
  readonly handlers: GRPCBrokerHandlers = {
    StartStream: (call: ServerDuplexStream<ConnInfo__Output, ConnInfo>) => {
      call.on('data', (info: ConnInfo__Output) => {
        if (info.knock) return // of multiplexing, which the handshake has declined
        this.#heard(info.serviceId, info.network === 'unix' ? `unix:${info.address}` : info.address)
      })
      call.on('end', () => call.end())
      call.on('error', () => undefined) // the connection is gone, and whoever waits is told by its clock
    },
  }

  #heard(id: number, address: string): void {
    this.#places.set(id, address)
    this.#waiting.get(id)?.(address)
    this.#waiting.delete(id)
  }

  /** Returns where the connection of that number leads. */
  async target(id: number): Promise<Target> {
    return {
      address: this.#places.get(id) ?? (await this.#wait(id)),
      credentials: ChannelCredentials.createSsl(Buffer.from(this.#hostPEM), Buffer.from(this.#own.key), Buffer.from(this.#own.pem)),
      options: {
        'grpc.ssl_target_name_override': 'localhost',
        'grpc.default_authority': 'localhost',
        'grpc.max_receive_message_length': MAX_MESSAGE,
        'grpc.max_send_message_length': MAX_MESSAGE,
      },
    }
  }

  #wait(id: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.#waiting.delete(id)
        reject(new Error(`the host did not say within ${NEWS} ms where connection ${id} leads`))
      }, NEWS)
      this.#waiting.set(id, (address) => {
        clearTimeout(late)
        resolve(address)
      })
    })
  }
}
