// Package e2e runs the built program as a user would: it starts it with a configuration file, talks to it over HTTP and
// WebSocket, kills it and its extensions, and starts it again. Everything in it is tests; this file holds what they share.
package e2e
