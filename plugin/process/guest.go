package process

import (
	"context"
	"os"
	"os/exec"
	"strings"

	"github.com/stagehouse/stagehouse/plugin/attach"
)

// attachTo attaches host to the process that waits at the path of cmd, and gives it what cmd would have started with: its
// environment, its output, and its lifeline or its tether.
func attachTo(ctx context.Context, host attach.Host, cmd *exec.Cmd) (*attach.Guest, error) {
	env := map[string]string{}
	for _, variable := range cmd.Env {
		name, value, _ := strings.Cut(variable, "=")
		env[name] = value
	}
	var files []*os.File
	for _, stream := range []any{cmd.Stdout, cmd.Stderr, cmd.Stdin} {
		if f, ok := stream.(*os.File); ok {
			files = append(files, f)
		}
	}
	g, err := attach.Dial(ctx, cmd.Path, host, env, append(files, cmd.ExtraFiles...))
	if in, ok := cmd.Stdin.(*os.File); ok { // which a start would have closed, too
		_ = in.Close()
	}
	return g, err
}
