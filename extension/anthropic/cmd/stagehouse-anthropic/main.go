// Command stagehouse-anthropic is the extension that thinks with the models of Anthropic's Messages API.
package main

import (
	"github.com/stagehouse/stagehouse/extension/anthropic"
	"github.com/stagehouse/stagehouse/sdk"
)

func main() { sdk.Main(anthropic.Definition()) }
