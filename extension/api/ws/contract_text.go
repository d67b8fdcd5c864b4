package ws

import "fmt"

// About says what there is to know about a socket beside its frames, as Markdown.
func About() string {
	return fmt.Sprintf(`Every frame is text that holds one JSON object with a member `+"`type`"+`. The first one is the server's, `+"`welcome`"+`.

**Authentication.** By `+"`Authorization: Bearer <token>`"+` on the upgrade request, or else by an `+"`auth`"+` frame within
`+"`limits.authTimeoutMs`"+`. A socket whose token is revoked is closed within two seconds.

**Commands** of one socket are carried out one after the other, and answered in their order; a `+"`ping`"+` may overtake others. The
`+"`id`"+` of a command comes back on its answer. Members that a command does not have are refused; a client must not mind
members, or types of frames, that it does not know.

**Limits.** `+"`welcome.limits`"+` says how long a frame may be, and how much may wait for a client to read it. While %d commands wait
for their turn, or half as much as may wait for the client, nothing more is read from the connection. A subscribe names at most %d
agents, and a socket follows at most %d one by one. After %d commands in a row over the rate limit the socket is closed. A client
that reads nothing for %s is too slow.

**Heartbeat.** The server pings every `+"`limits.heartbeatMs`"+`, and closes a socket from which nothing has come for three such times. A
client may ping as it likes.

**Order.** Events come in the order of the log, each once. The `+"`prevSeq`"+` of an event is the `+"`seq`"+` of the place that the client
holds if it has missed nothing. The `+"`chat:*`"+` frames of a turn come to the socket that began it, subscribed or not, behind its
`+"`ack`"+`. To resume on another socket, subscribe with the `+"`id`"+` of the last event as `+"`since`"+`.`,
		commandQueue, maxNamed, maxAgents, maxRefusals, stallTimeout)
}
