package protocol_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	goplugin "github.com/hashicorp/go-plugin"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/stagehouse/stagehouse/plugin"
	"github.com/stagehouse/stagehouse/plugin/protocol"
	"github.com/stagehouse/stagehouse/schema"
	pb "github.com/stagehouse/stagehouse/schema/gen/stagehouse/v1"
	"github.com/stagehouse/stagehouse/sdk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// document is what the next extension is written from, without a look at the code.
func document(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "protocol.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// wantNames fails the test unless the document names exactly those.
func wantNames(t *testing.T, what, pattern string, want []string) {
	t.Helper()
	got := map[string]bool{}
	for _, name := range regexp.MustCompile(pattern).FindAllString(document(t), -1) {
		got[name] = true
	}
	slices.Sort(want)
	if names := slices.Sorted(maps.Keys(got)); !slices.Equal(names, want) {
		t.Errorf("%s: the document names %q, want %q", what, names, want)
	}
}

func TestTheDocumentNamesTheEnvironment(t *testing.T) {
	wantNames(t, "variables", `\b(STAGEHOUSE|PLUGIN)_[A-Z_]+`, []string{
		protocol.CookieKey, protocol.EnvCheck, protocol.EnvTether, protocol.EnvLifeline, goplugin.EnvUnixSocketDir,
		"PLUGIN_CLIENT_CERT", "PLUGIN_PROTOCOL_VERSIONS", "PLUGIN_MULTIPLEX_GRPC", "PLUGIN_MIN_PORT", "PLUGIN_MAX_PORT",
	})
	for _, name := range []string{protocol.CookieKey, protocol.EnvCheck, "PLUGIN_CLIENT_CERT"} {
		if !protocol.Reserved(name) {
			t.Errorf("%s is anybody's to set", name)
		}
	}
}

func TestTheDocumentNamesTheCalls(t *testing.T) {
	var all, services []string
	for _, file := range []protoreflect.FileDescriptor{
		pb.File_stagehouse_v1_agents_proto, pb.File_stagehouse_v1_chat_proto, pb.File_stagehouse_v1_memory_proto,
		pb.File_stagehouse_v1_events_proto, pb.File_stagehouse_v1_identity_proto, pb.File_stagehouse_v1_extension_proto,
		pb.File_stagehouse_v1_runtime_proto, pb.File_stagehouse_v1_commands_proto, pb.File_stagehouse_v1_brains_proto,
		pb.File_stagehouse_v1_usage_proto,
	} {
		s := file.Services().Get(0)
		services = append(services, string(s.FullName()))
		for i := range s.Methods().Len() {
			all = append(all, fmt.Sprintf("/%s/%s", s.FullName(), s.Methods().Get(i).Name()))
		}
	}
	text := document(t)
	for _, call := range regexp.MustCompile(`/stagehouse\.v1\.\w+/\w+`).FindAllString(text, -1) {
		if !slices.Contains(all, call) {
			t.Errorf("there is no call %s", call)
		}
	}
	for _, call := range all {
		served := strings.Contains(call, ".Extension/") || strings.Contains(call, ".Runtime/") || strings.Contains(call, ".Commands/") || strings.Contains(call, ".Brains/")
		if served && !strings.Contains(text, "`"+call+"`") {
			t.Errorf("the document does not name %s", call)
		}
	}
	for _, s := range services {
		if !strings.Contains(text, "`"+s+"`") {
			t.Errorf("the document does not name %s", s)
		}
	}
}

func TestTheDocumentHasEveryErrorCode(t *testing.T) {
	var want []string
	for _, c := range schema.ErrorCodes() {
		status := codes.Code(c.GRPCStatus())
		again := ""
		if c.Retryable() {
			again = "yes "
		}
		name := strings.ToUpper(regexp.MustCompile(`([a-z])([A-Z])`).ReplaceAllString(status.String(), "${1}_$2"))
		if status == codes.Canceled {
			name = "CANCELLED" // as gRPC has it, and Go has not
		}
		want = append(want, fmt.Sprintf("| `%s` | `%s` (%d) | %d | %s|", c, name, status, c.HTTPStatus(), again))
	}
	rows := regexp.MustCompile("(?m)^\\| `\\w+` \\| `[A-Z_]+` \\(.*$").FindAllString(document(t), -1)
	if !slices.Equal(rows, want) {
		t.Errorf("the table of errors is\n%s\nwant\n%s", strings.Join(rows, "\n"), strings.Join(want, "\n"))
	}
}

func TestTheDocumentHasTheNumbers(t *testing.T) {
	s := plugin.DefaultSupervision()
	seconds := func(d time.Duration) string { return fmt.Sprintf("%.0f s", d.Seconds()) }
	text := strings.Join(strings.Fields(document(t)), " ")
	for _, words := range []string{
		"`" + protocol.CookieValue + "`",
		fmt.Sprintf("1|%d|unix|", protocol.Major),
		fmt.Sprintf(`"protocol": %d`, protocol.Major),
		fmt.Sprintf("Messages have at most %d MiB", protocol.MaxMessageSize>>20),
		fmt.Sprintf("`ABORTED` (%d) says that it will never be well again", protocol.StatusFailed),
		seconds(plugin.DefaultStartTimeout) + " if it is not set",
		fmt.Sprintf("| %s | answers when it is well", seconds(s.HealthTimeout)),
		fmt.Sprintf("It comes every %s; after %d bad answers in a row", seconds(s.HealthInterval), s.UnhealthyAfter),
		fmt.Sprintf("that grows from %d ms to %s, and given up after %d times in a row", s.RestartMin.Milliseconds(), seconds(s.RestartMax), s.BreakAfter),
		fmt.Sprintf("or %s after the call, is killed", seconds(s.KillTimeout)),
		fmt.Sprintf("`SIGTERM` means: drain for at most %s", seconds(sdk.OrphanDrainTimeout)),
		fmt.Sprintf("Within %.0f h", schema.OnceFor.Hours()),
		fmt.Sprintf("1 to %d bytes", schema.MaxOnceBytes),
		"`" + protocol.LifelineStdin + "` where there is no tether",
	} {
		if !strings.Contains(text, words) {
			t.Errorf("the document does not say %q", words)
		}
	}
}
