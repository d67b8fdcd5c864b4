// Package anthropic thinks for agents with the models of Anthropic's Messages API. It translates one step of an agent into one
// request, and the stream that answers it into what the host wants to know; it keeps nothing of either. How it waits, tries
// again and fails is in package provider.
//
// It is a program of its own, cmd/stagehouse-anthropic, because the vendor's client is large: nothing else imports it.
package anthropic
