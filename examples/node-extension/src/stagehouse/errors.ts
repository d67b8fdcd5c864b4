import { Metadata, status, type ServiceError, type StatusObject } from '@grpc/grpc-js'

import { messageType } from './protos.js'

/** The stable names of kinds of failure, with their gRPC and HTTP status. Where several share one, the first is what it means alone. */
const codes = {
  invalid_argument: [status.INVALID_ARGUMENT, 422],
  malformed: [status.INVALID_ARGUMENT, 400],
  unsupported_media_type: [status.INVALID_ARGUMENT, 415],
  not_acceptable: [status.INVALID_ARGUMENT, 406],
  unauthenticated: [status.UNAUTHENTICATED, 401],
  permission_denied: [status.PERMISSION_DENIED, 403],
  not_found: [status.NOT_FOUND, 404],
  unimplemented: [status.UNIMPLEMENTED, 501],
  method_not_allowed: [status.UNIMPLEMENTED, 405],
  already_exists: [status.ALREADY_EXISTS, 409],
  failed_precondition: [status.FAILED_PRECONDITION, 409],
  agent_not_running: [status.FAILED_PRECONDITION, 409],
  illegal_transition: [status.FAILED_PRECONDITION, 409],
  no_agent_fits: [status.FAILED_PRECONDITION, 409],
  conversation_busy: [status.FAILED_PRECONDITION, 409],
  idempotency_key_reused: [status.INVALID_ARGUMENT, 422],
  revision_mismatch: [status.ABORTED, 412],
  too_large: [status.OUT_OF_RANGE, 413],
  rate_limited: [status.RESOURCE_EXHAUSTED, 429],
  busy: [status.RESOURCE_EXHAUSTED, 429],
  budget_exceeded: [status.RESOURCE_EXHAUSTED, 402],
  cancelled: [status.CANCELLED, 499],
  internal: [status.INTERNAL, 500],
  unavailable: [status.UNAVAILABLE, 503],
  deadline_exceeded: [status.DEADLINE_EXCEEDED, 504],
} as const

export type ErrorCode = keyof typeof codes

export interface FieldError {
  location: string
  message: string
}

/** A failure as both sides of the boundary know it. */
export class StageError extends Error {
  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly more: { fields?: FieldError[]; retryAfterMs?: number; details?: object } = {},
  ) {
    super(message)
    this.name = 'StageError'
  }

  /** The HTTP status that says the same. */
  get httpStatus(): number {
    return codes[this.code][1]
  }
}

const trailer = 'grpc-status-details-bin'
const detailURL = 'type.googleapis.com/stagehouse.v1.ErrorDetail'

interface Detail {
  code: string
  message: string
  fields: FieldError[]
  retryAfterMs: number
  details: Buffer
}

/** Reads a failed call. A code that this version does not know is read by its gRPC status. */
export function fromStatus(error: ServiceError): StageError {
  const bare = (Object.keys(codes) as ErrorCode[]).find((c) => codes[c][0] === error.code) ?? 'internal'
  const detail = detailOf(error)
  if (!detail) return new StageError(bare, error.details || bare.replaceAll('_', ' '))
  return new StageError(Object.hasOwn(codes, detail.code) ? (detail.code as ErrorCode) : bare, detail.message, {
    fields: detail.fields,
    ...(detail.retryAfterMs > 0 && { retryAfterMs: detail.retryAfterMs }),
    ...(detail.details.length > 0 && { details: JSON.parse(detail.details.toString()) as object }),
  })
}

function detailOf(error: ServiceError): Detail | undefined {
  const bytes = error.metadata?.get(trailer)[0]
  if (!(bytes instanceof Buffer)) return undefined
  const all = messageType('google.rpc.Status').decode(bytes) as unknown as { details: { type_url: string; value: Uint8Array }[] }
  const ours = all.details.find((d) => d.type_url === detailURL)
  if (!ours) return undefined
  const type = messageType('stagehouse.v1.ErrorDetail')
  return type.toObject(type.decode(ours.value), { longs: Number, defaults: true, bytes: Buffer }) as Detail
}

/** Returns any failure as the status with which a call ends. */
export function toStatus(failure: unknown): Partial<StatusObject> {
  const error = failure instanceof StageError ? failure : new StageError('internal', failure instanceof Error ? failure.message : String(failure))
  const { fields = [], retryAfterMs = 0, details } = error.more
  const type = messageType('stagehouse.v1.ErrorDetail')
  const value = type.encode(type.fromObject({
    code: error.code, message: error.message, fields, retryAfterMs, details: details ? Buffer.from(JSON.stringify(details)) : Buffer.alloc(0),
  })).finish()
  const whole = messageType('google.rpc.Status')
  const metadata = new Metadata()
  metadata.set(trailer, Buffer.from(whole.encode(whole.fromObject({
    code: codes[error.code][0], message: error.message, details: [{ type_url: detailURL, value }],
  })).finish()))
  return { code: codes[error.code][0], details: error.message, metadata }
}
