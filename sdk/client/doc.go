// Package client is a client of the API server: REST for what has one answer, and a WebSocket for what goes on.
//
//	c, err := client.New("http://127.0.0.1:3001", client.WithToken(token))
//	turn, err := c.Chat(ctx, client.Message{AgentID: "nyx", Text: "Hello!"})
//	reply, err := turn.Reply(ctx)
//
// # What is promised
//
// A [Stream] hands over every event that it asked for once and in the order of the log, and a [Turn] every event of a turn,
// whatever dies meanwhile: the connection, the API process, the host. Behind both is a socket that comes again with
// exponential backoff, resumes at the place that it holds, leaves out what comes twice, and comes again too when something is
// missing. What the server itself does not have any more is told by an event of type [schema.EventGap], and never skipped
// silently.
//
// # Once
//
// Everything that changes something has an idempotency key and is asked for again until it is known what came of it: the server
// does it once, and gives the same answer. Chat sends its message again on every new socket until the turn is over, for as long as
// its context lives; a REST call is tried up to eight times, with a random wait that grows in between and not before the server says
// so, as long as its context lives. Keys are known to the server for a day.
//
// [ErrUnknownOutcome] is left where the asking ends before an answer:
//
//   - the context has ended, or the client was closed, after a try that may have arrived;
//   - the token is refused after such a try, or its scope no longer covers it;
//   - a REST call got no answer in eight tries, of which one may have arrived;
//   - the server has said, as often as it is asked (three times for CodeInternal, eight times otherwise), that it cannot say;
//   - the answer of a REST call cannot be read;
//   - WithoutRetry, where one try has come to no answer.
//
// An [Error] without it is an answer: nothing was done, unless it has a RunID of the message.
//
// # Pace
//
// Nothing is read from a socket while nobody takes what has been read, so a slow caller costs no memory: the server, which
// does not wait either, ends the socket, and the stream resumes where it was once the caller goes on.
//
// The package may import schema and a WebSocket library, and shows no type of the latter.
package client
