package cli

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/stagehouse/stagehouse/host"
	"github.com/stagehouse/stagehouse/host/config"
	"github.com/stagehouse/stagehouse/host/local"
	"github.com/stagehouse/stagehouse/host/token"
)

// apiExtension is the extension that the banner and the chat command look for.
const apiExtension = "api"

// banner tells a person what runs, where, and what to try next. created is the admin token if it is new, else "".
func (p *Program) banner(cfg *config.Config, h *host.Host, created string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "stagehouse %s is running\n\n", host.Version)
	address := ""
	for _, s := range h.Extensions() {
		for _, l := range s.Listeners {
			fmt.Fprintf(&b, "  %-8s %s%s\n", s.Name, "http://"+reachable(l), everywhere(l))
			if s.Name == apiExtension && address == "" {
				address = reachable(l)
			}
		}
		if len(s.Listeners) == 0 {
			fmt.Fprintf(&b, "  %-8s running\n", s.Name)
		}
	}
	tokenPath := filepath.Join(cfg.Data, token.AdminFile)
	fmt.Fprintf(&b, "  %-8s %s\n", "token", tokenPath)
	if created != "" {
		fmt.Fprintf(&b, "  %-8s %s (new; shown only this once)\n", "", created)
	}
	if address != "" {
		fmt.Fprintf(&b, "\nTry it:\n  curl -s -H \"Authorization: Bearer $(cat %s)\" http://%s/api/agents\n", shellQuote(tokenPath), address)
		fmt.Fprintf(&b, "\nRead what the API can do:\n  http://%s/docs\n", address)
		fmt.Fprintf(&b, "\nChat:\n  %s chat%s%s\n", self(), agentArg(cfg), p.dataFlag(cfg))
	}
	b.WriteString("\nCtrl-C stops it.\n")
	_, err := fmt.Fprint(p.Stdout, b.String())
	return err
}

// agentArg returns the argument that chats with an agent of this host: the first one that is declared and started.
func agentArg(cfg *config.Config) string {
	if cfg.Runtime != nil {
		return "" // it has its own
	}
	if cfg.Agents == nil {
		return " nyx" // a starter agent
	}
	var agents []local.AgentSpec
	_ = json.Unmarshal(cfg.Agents, &agents) // the host has started with them
	for _, a := range agents {
		if a.Autostart == nil || *a.Autostart {
			return " " + shellQuote(a.ID)
		}
	}
	return "" // the message is routed, once there is an agent
}

// dataFlag returns the flag that a second command needs to find this host's data.
func (p *Program) dataFlag(cfg *config.Config) string {
	if cfg.Data == config.DefaultData || p.env("STAGEHOUSE_DATA") == cfg.Data {
		return ""
	}
	return " --data " + shellQuote(cfg.Data)
}

// dataArg returns the flag with which this command was told where the data is.
func dataArg(f *commonFlags) string {
	if f.data == "" {
		return ""
	}
	return " --data " + shellQuote(f.data)
}

// reachable returns the address at which a client on this machine reaches a listener.
func reachable(address string) string {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || !ap.Addr().IsUnspecified() {
		return address
	}
	return net.JoinHostPort("127.0.0.1", fmt.Sprint(ap.Port()))
}

func everywhere(address string) string {
	if ap, err := netip.ParseAddrPort(address); err == nil && ap.Addr().IsUnspecified() {
		return " (listening on every interface, " + address + ")"
	}
	return ""
}

// plainWord matches what no shell reads as anything but itself.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./+,@%-]+$`)

// shellQuote makes a path safe to paste into a POSIX shell.
func shellQuote(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
