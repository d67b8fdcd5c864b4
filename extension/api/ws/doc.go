// Package ws serves the WebSocket of the API: it knows frames, sessions and the hub that fans the event log out to them.
//
// It is the only package that knows gofiber/contrib/websocket, whose connection objects are pooled: whoever still holds
// one after its handler has returned writes into a stranger's socket. Hence the one rule of this package: a session has
// exactly one reader, one writer and one worker goroutine, nobody else touches its connection, and all three are joined
// before the handler returns. The package may not know HTTP beyond the upgrade, nor how a token is checked or a limit kept:
// both are given to it (see Options).
//
// # What a client sees
//
// Every frame is text that holds one JSON object with a member type. Commands lists what a client sends, and what answers it;
// Frames what the server sends beside the events, which stand as they do in the log (see schema.Event); CloseCodes how a socket
// ends. The AsyncAPI document of the API is made of them.
//
// A command may have an id, a string or a number, that comes back on the answer. One that is refused is answered by an error,
// and the socket stays. The server greets with welcome, sends the events that were asked for, and before it goes server:draining.
//
// Commands of one socket are carried out one after the other, and answered in their order; only a ping overtakes others. A
// client may send as many as it likes without waiting: while 64 wait for their turn, or half a queue of frames for the
// client to read them, nothing more is read from the connection. A socket is closed as too slow only if its client does not
// read: the connection has taken no byte for five seconds, or more events wait than its queue has room for. One whose token
// is revoked is closed within two seconds, whether the client says anything or not.
//
// # Resuming
//
// The first subscribe of a socket may say since: the id of an event, or the head of a subscribed frame, of this or an
// earlier socket. Then the events after it are sent, those that have happened and those that happen, each once and without
// a seam. If the log does not reach back to there (recovered is false), a gap{requested, firstAvailable, head} follows the
// answer, and then come the oldest events that there are. A gap may also come later. What has happened is sent as fast as
// the client reads; commands that it sends meanwhile wait, pings do not.
//
// Every event frame has prevSeq, those excepted that Once speaks of: the seq of the event frame before it on this socket, or
// of the place that was named since then, if that is later: since when it was recovered, the head of a subscribed frame, the
// id of a gap. A client that holds another seq has lost an event. The resume of server:draining is the place up to which
// everything was sent.
//
// # Order
//
// The order of events is that of the log. The frames chat:* of a turn come to the socket that began it, subscribed or not,
// once, and behind its ack. An agent or an event in a subscription is a name, or * for all, those that do not exist yet
// included; events may be given in full, short ("thought"), or by family ("chat:*").
//
// An error that has a runId leaves open whether the message was accepted; if it was, its frames will come.
//
// # Once
//
// A command with an idempotencyKey happens once, however often and on however many sockets a principal sends it within a day.
// The ack of one that has happened before says replayed. It names the run of then, and the socket follows that: it is sent the
// chat:* frames of the run from its beginning, those excepted that it has been sent, be it as those of its own turn or because
// its subscription let them through. Those that lie behind the place where the client is have an id, but no prevSeq: they are
// no place to resume from. Where the log does not reach back to the beginning of the run, only its end comes, without an id
// where that is gone too. A socket knows the last 256 turns of its own that are over; of an older one everything comes again.
//
// Of a command with a key that failed with a runId, send it again: if it had happened before, that run is not the one.
//
// A chat:route with a conversationId is routed before it is sent. Of one that has happened before, the ack does not say again
// how that was.
package ws
