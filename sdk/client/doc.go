// Package client is a client of the API server: REST for what is asked once, and a WebSocket for what goes on.
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
// A message is never sent twice. When the connection breaks between a message and its answer, nobody here can know whether it
// was accepted: that is [ErrUnknownOutcome], and what to do about it is for the caller to decide.
//
// # Pace
//
// Nothing is read from a socket while nobody takes what has been read, so a slow caller costs no memory: the server, which
// does not wait either, ends the socket, and the stream resumes where it was once the caller goes on.
//
// The package may import schema and a WebSocket library, and shows no type of the latter.
package client
