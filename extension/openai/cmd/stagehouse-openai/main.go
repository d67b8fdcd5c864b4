// Command stagehouse-openai is the extension that thinks with the models of OpenAI, and of servers with the same API.
package main

import (
	"github.com/stagehouse/stagehouse/extension/openai"
	"github.com/stagehouse/stagehouse/sdk"
)

func main() { sdk.Main(openai.Definition()) }
