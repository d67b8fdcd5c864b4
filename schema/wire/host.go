package wire

import (
	"google.golang.org/grpc"

	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
)

// DialHost is Dial for what a host offers to a runtime.
func DialHost(cc grpc.ClientConnInterface, names []string) schema.HostServices {
	return schema.HostServices{
		Commands: commandsClient{pb.NewCommandsClient(cc)},
		Brains:   brainsClient{pb.NewBrainsClient(cc)},
	}.Only(names)
}

// RegisterHost is Register for what a host offers to a runtime. It believes whose call a request says that it is.
func RegisterHost(s grpc.ServiceRegistrar, svc schema.HostServices, opts ...Option) {
	srv := newServer(opts)
	srv.believes = true
	if svc.Commands != nil {
		pb.RegisterCommandsServer(s, commandsServer{server: srv, svc: svc.Commands})
	}
	if svc.Brains != nil {
		pb.RegisterBrainsServer(s, brainsServer{server: srv, svc: svc.Brains})
	}
}
