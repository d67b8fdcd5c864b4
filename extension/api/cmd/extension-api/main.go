// Command extension-api is the API server as a program of its own, for hosts that do not have it built in.
package main

import (
	"github.com/stagehouse/stagehouse/extension/api"
	"github.com/stagehouse/stagehouse/sdk"
)

func main() { sdk.Main(api.Definition()) }
