/** What both sides of the boundary have to agree on before they can speak. docs/protocol.md explains each of them. */

/** The version of the boundary. The two sides speak the same one or do not start. */
export const MAJOR = 1

/** The version of go-plugin's own handshake. */
export const CORE = 1

/** The cookie tells a program that it is run as an extension. It is no secret and protects nothing. */
export const COOKIE_KEY = 'STAGEHOUSE_EXTENSION'
export const COOKIE_VALUE = '9f1d7c1e-0c53-4d8e-9a35-5b7d0a6f2c41'

export const ENV_CHECK = 'STAGEHOUSE_CHECK'
export const ENV_TETHER = 'STAGEHOUSE_TETHER_FD'
export const ENV_LIFELINE = 'STAGEHOUSE_LIFELINE'
export const LIFELINE_STDIN = 'stdin'
export const ENV_CERT = 'PLUGIN_CLIENT_CERT'
export const ENV_SOCKETS = 'PLUGIN_UNIX_SOCKET_DIR'

/** The size of the largest message, in either direction, in bytes. */
export const MAX_MESSAGE = 16 << 20

/** The response header that says that an answer is that of an earlier request with the same key. */
export const HEADER_REPLAYED = 'stagehouse-replayed'

/** How long an extension drains at most when its host is gone or a signal tells it to end, in milliseconds. */
export const ORPHAN_DRAIN = 5000
