// Package openai thinks for agents with the models of any server that speaks OpenAI's Chat Completions API: OpenAI itself, and Ollama,
// vLLM, llama.cpp, Groq and many others, which all differ a little. It translates one step of an agent into one request, and the
// stream that answers it into what the host wants to know; it keeps nothing of either. How it waits, tries again and fails is in
// package provider.
//
// It is a program of its own, cmd/stagehouse-openai, because the vendor's client is large: nothing else imports it.
package openai
