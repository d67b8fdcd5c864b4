package wire

import (
	"context"
	"unicode/utf8"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
)

// identityClient is a schema.Identity behind a connection.
type identityClient struct{ rpc pb.IdentityClient }

var _ schema.Identity = identityClient{}

func (c identityClient) Authenticate(ctx context.Context, token string) (schema.Caller, error) {
	if !utf8.ValidString(token) { // it could not be sent, and no such token exists
		return schema.Caller{}, schema.Errorf(schema.CodeUnauthenticated, "the token is not valid")
	}
	return unary(ctx, c.rpc.Authenticate, &pb.AuthenticateRequest{Token: token},
		func(r *pb.AuthenticateResponse) (schema.Caller, error) { return FromCaller(r.GetCaller()), nil })
}

// identityServer puts a schema.Identity behind a server.
type identityServer struct {
	pb.UnimplementedIdentityServer
	*server
	svc schema.Identity
}

func (s identityServer) Authenticate(ctx context.Context, m *pb.AuthenticateRequest) (*pb.AuthenticateResponse, error) {
	return serve(ctx, s.server, nil, func(ctx context.Context) (*pb.AuthenticateResponse, error) {
		c, err := s.svc.Authenticate(ctx, m.GetToken())
		return &pb.AuthenticateResponse{Caller: ToCaller(c)}, err
	})
}
