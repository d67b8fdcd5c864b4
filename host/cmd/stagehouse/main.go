// Command stagehouse runs AI agents and serves them through extensions. See stagehouse --help.
//
// It is the one place that knows both the host and the built-in extensions. A built-in extension is this very program,
// run again as a process of its own.
package main

import (
	"context"
	"os"

	"github.com/stagehouse/stagehouse/extension/api"
	"github.com/stagehouse/stagehouse/host/cli"
	"github.com/stagehouse/stagehouse/sdk"
)

func main() {
	p := cli.Program{
		Args: os.Args[1:], Environ: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Exit: os.Exit,
		BuiltIns: map[string]func(){
			"api": func() { sdk.Main(api.Definition()) },
		},
	}
	os.Exit(p.Run(context.Background()))
}
