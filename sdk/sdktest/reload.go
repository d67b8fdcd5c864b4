package sdktest

import (
	"context"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
	"github.com/stagehouse/stagehouse/schema/wire"
	"github.com/stagehouse/stagehouse/sdk"
)

// Reload has the extension take another block while it runs, as a host does whose configuration has changed, and returns what it
// thinks of the block: with a problem of severity error it goes on as it was. The error is sdk.ErrDeclined where another
// generation has to take the block, such as of an extension that is no sdk.Reloader; nothing has happened then.
func (r *Running) Reload(ctx context.Context, config string) ([]schema.Problem, error) {
	out, err := r.client.Reload(ctx, &pb.ReloadRequest{Config: []byte(config)})
	switch {
	case status.Code(err) == codes.Unimplemented:
		return nil, fmt.Errorf("%w: it is no sdk.Reloader", sdk.ErrDeclined)
	case err != nil:
		return nil, fmt.Errorf("reload: %w", wire.FromStatus(err))
	case out.GetDeclined() != "":
		return nil, fmt.Errorf("%w: %s", sdk.ErrDeclined, out.GetDeclined())
	}
	return problemsOf(out.GetProblems()), nil
}
