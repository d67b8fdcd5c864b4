// Package sdk is what the author of an extension imports. An extension is a struct whose exported fields are its
// configuration and whose Start method begins to serve:
//
//	type hello struct {
//		Port int `json:"port" doc:"Where to listen" minimum:"1" maximum:"65535"`
//	}
//
//	func (x *hello) Start(ctx context.Context, h *sdk.Host) error {
//		ln, err := h.Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", x.Port))
//		if err != nil {
//			return err
//		}
//		h.Serve(ln, x.routes(h))
//		return nil
//	}
//
//	func main() {
//		sdk.Main(sdk.Definition{
//			Name: "hello", Version: "1.0.0",
//			New: func() sdk.Extension { return &hello{Port: 3002} },
//		})
//	}
//
// The host runs it as a process of its own, checks its configuration against the JSON Schema that the sdk derives from
// the struct, watches over it, restarts it, and drains it before it goes. Package sdktest runs it inside a test.
//
// An extension need not serve. It can follow the events of agents and talk to them ([Host]), keep its place in a directory of
// its own ([State]) and have one generation at a time act on it ([Host.GoAlone]), let agents do something ([Commander]),
// think for them ([Thinker]), and count what it does ([Measurer]). While it serves it may take another configuration ([Reloader]).
//
// A runtime, which is where agents live, can be such a program too: see [ServeRuntime].
//
// The package may import schema, schema/wire, plugin/protocol and plugin/tether of this module, and nothing of the host.
package sdk
