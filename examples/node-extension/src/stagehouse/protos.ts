import { loadPackageDefinition } from '@grpc/grpc-js'
import { fromJSON } from '@grpc/proto-loader'
import protobuf from 'protobufjs'

import type { ProtoGrpcType as AgentsTypes } from '../../build/proto/agents.js'
import type { ProtoGrpcType as ChatTypes } from '../../build/proto/chat.js'
import type { ProtoGrpcType as EventsTypes } from '../../build/proto/events.js'
import type { ProtoGrpcType as ExtensionTypes } from '../../build/proto/extension.js'
import type { ProtoGrpcType as HealthTypes } from '../../build/proto/health.js'
import type { ProtoGrpcType as IdentityTypes } from '../../build/proto/identity.js'
import type { ProtoGrpcType as MemoryTypes } from '../../build/proto/memory.js'
import type { ProtoGrpcType as PluginTypes } from '../../build/proto/plugin.js'
import type { ProtoGrpcType as RuntimeTypes } from '../../build/proto/runtime.js'

import agents from '../../../../schema/proto/stagehouse/v1/agents.proto'
import brains from '../../../../schema/proto/stagehouse/v1/brains.proto'
import chat from '../../../../schema/proto/stagehouse/v1/chat.proto'
import commands from '../../../../schema/proto/stagehouse/v1/commands.proto'
import common from '../../../../schema/proto/stagehouse/v1/common.proto'
import events from '../../../../schema/proto/stagehouse/v1/events.proto'
import extension from '../../../../schema/proto/stagehouse/v1/extension.proto'
import identity from '../../../../schema/proto/stagehouse/v1/identity.proto'
import memory from '../../../../schema/proto/stagehouse/v1/memory.proto'
import runtime from '../../../../schema/proto/stagehouse/v1/runtime.proto'
import usage from '../../../../schema/proto/stagehouse/v1/usage.proto'
import health from './proto/health.proto'
import plugin from './proto/plugin.proto'
import status from './proto/status.proto'

const root = new protobuf.Root()
for (const name of ['any', 'empty', 'timestamp']) {
  root.addJSON(protobuf.common.get(`google/protobuf/${name}.proto`)?.nested ?? {})
}
for (const text of [common, commands, brains, usage, agents, chat, events, extension, identity, memory, runtime, plugin, health, status]) {
  protobuf.parse(text, root)
}

/** Every service, by its full name: its client, and its definition, which a server needs. */
export const services = loadPackageDefinition(
  fromJSON(root.toJSON(), { longs: Number, enums: String, defaults: true, oneofs: true }),
) as unknown as AgentsTypes & ChatTypes & EventsTypes & ExtensionTypes & HealthTypes & IdentityTypes & MemoryTypes & PluginTypes & RuntimeTypes

/** A message by its full name, to encode and decode what travels outside of calls. */
export const messageType = (name: string): protobuf.Type => root.lookupType(name)
