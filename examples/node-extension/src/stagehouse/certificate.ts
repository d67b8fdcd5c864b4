import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'

/** A certificate that signs itself, and its key. */
export interface Certificate {
  der: Buffer
  pem: string
  key: string
}

/**
 * Makes a certificate for "localhost" on P-256, for both ends of a connection, in the form that RFC 5280 asks for. Node has no
 * call for that.
 */
export function makeCertificate(): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const algorithm = sequence(oid(1, 2, 840, 10045, 4, 3, 2)) // ecdsa-with-SHA256
  const name = sequence(tlv(0x31, sequence(oid(2, 5, 4, 3), utf8('localhost')))) // its common name
  const now = Date.now()
  const body = sequence(
    tlv(0xa0, integer(Buffer.of(2))), // version 3
    integer(randomBytes(16)),
    algorithm,
    name, // of the issuer
    sequence(time(now - 60_000), time(now + 30 * 365 * 86_400_000)),
    name, // of the subject
    publicKey.export({ type: 'spki', format: 'der' }),
    tlv(0xa3, sequence(
      extension(oid(2, 5, 29, 19), sequence(tlv(0x01, Buffer.of(0xff)))), // basic constraints: it signs itself
      extension(oid(2, 5, 29, 15), tlv(0x03, Buffer.of(2, 0x84))), // key usage: digital signature, certificate signing
      extension(oid(2, 5, 29, 37), sequence(oid(1, 3, 6, 1, 5, 5, 7, 3, 1), oid(1, 3, 6, 1, 5, 5, 7, 3, 2))), // server and client
      extension(oid(2, 5, 29, 17), sequence(tlv(0x82, Buffer.from('localhost')))), // subject alternative name
    )),
  )
  const der = sequence(body, algorithm, bits(sign('sha256', body, privateKey)))
  return {
    der,
    pem: `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

/** The distinguished encoding of ASN.1: a tag, a length, a value. */
function tlv(tag: number, value: Buffer): Buffer {
  const n = value.length
  const length = n < 0x80 ? [n] : n < 0x100 ? [0x81, n] : [0x82, n >> 8, n & 0xff]
  return Buffer.concat([Buffer.of(tag, ...length), value])
}

const sequence = (...parts: Buffer[]): Buffer => tlv(0x30, Buffer.concat(parts))
const utf8 = (text: string): Buffer => tlv(0x0c, Buffer.from(text))
const bits = (value: Buffer): Buffer => tlv(0x03, Buffer.concat([Buffer.of(0), value]))
const extension = (id: Buffer, value: Buffer): Buffer => sequence(id, tlv(0x04, value))

/** A positive integer, without zeros before it but the one that keeps it positive. */
function integer(value: Buffer): Buffer {
  const first = value.findIndex((b) => b !== 0)
  const digits = first < 0 ? Buffer.of(0) : value.subarray(first)
  return tlv(0x02, (digits[0] ?? 0) < 0x80 ? digits : Buffer.concat([Buffer.of(0), digits]))
}

/** A time in UTC: UTCTime has two digits for the year, up to 2049; after that it is GeneralizedTime. */
function time(ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/[-:T]|\..*/g, '') + 'Z'
  return text < '2050' ? tlv(0x17, Buffer.from(text.slice(2))) : tlv(0x18, Buffer.from(text))
}

function oid(first: number, second: number, ...rest: number[]): Buffer {
  const bytes = [first * 40 + second]
  for (const n of rest) {
    const digits = [n & 0x7f]
    for (let m = n >> 7; m > 0; m >>= 7) digits.unshift((m & 0x7f) | 0x80)
    bytes.push(...digits)
  }
  return tlv(0x06, Buffer.from(bytes))
}
