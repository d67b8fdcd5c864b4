package schema

// Names of the services, as they are used in grants, in an extension's requirements and on the wire.
const (
	ServiceAgents   = "agents"
	ServiceChat     = "chat"
	ServiceMemory   = "memory"
	ServiceEvents   = "events"
	ServiceUsage    = "usage"
	ServiceIdentity = "identity"
)

// ServiceNames lists the services that a host can offer, in the order in which they are documented.
func ServiceNames() []string {
	return []string{ServiceAgents, ServiceChat, ServiceMemory, ServiceEvents, ServiceUsage, ServiceIdentity}
}

// Names of the services of HostServices.
const (
	ServiceCommands = "commands"
	ServiceBrains   = "brains"
)

// HostServices is what a host offers to a runtime. A nil field means that the service is not offered, by an older host for example.
type HostServices struct {
	Commands Commands
	Brains   Brains
}

// Names returns the names of the services that are offered.
func (s HostServices) Names() []string {
	var names []string
	if s.Commands != nil {
		names = append(names, ServiceCommands)
	}
	if s.Brains != nil {
		names = append(names, ServiceBrains)
	}
	return names
}

// Only returns s with every service that is not in names withheld.
func (s HostServices) Only(names []string) HostServices {
	var out HostServices
	for _, n := range names {
		switch n {
		case ServiceCommands:
			out.Commands = s.Commands
		case ServiceBrains:
			out.Brains = s.Brains
		}
	}
	return out
}

// Services is what a runtime offers and an extension may call. A nil field means that the service is not offered.
type Services struct {
	Agents   Agents
	Chat     Chat
	Memory   Memory
	Events   Events
	Usage    Usage
	Identity Identity // offered by the host itself, whatever the runtime
}

// Names returns the names of the services that are offered.
func (s Services) Names() []string {
	var names []string
	for _, o := range []struct {
		name    string
		offered bool
	}{
		{ServiceAgents, s.Agents != nil}, {ServiceChat, s.Chat != nil}, {ServiceMemory, s.Memory != nil},
		{ServiceEvents, s.Events != nil}, {ServiceUsage, s.Usage != nil}, {ServiceIdentity, s.Identity != nil},
	} {
		if o.offered {
			names = append(names, o.name)
		}
	}
	return names
}

// Only returns s with every service that is not in names withheld.
func (s Services) Only(names []string) Services {
	var out Services
	for _, n := range names {
		switch n {
		case ServiceAgents:
			out.Agents = s.Agents
		case ServiceChat:
			out.Chat = s.Chat
		case ServiceMemory:
			out.Memory = s.Memory
		case ServiceEvents:
			out.Events = s.Events
		case ServiceUsage:
			out.Usage = s.Usage
		case ServiceIdentity:
			out.Identity = s.Identity
		}
	}
	return out
}
