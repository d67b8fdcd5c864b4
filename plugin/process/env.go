package process

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
)

// inherited are the variables of the host that an extension gets. Nothing that may hold a secret is among them.
func inherited() []string {
	names := []string{
		"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_MESSAGES", "LC_TIME", "TZ",
		"TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR",
		"GOMAXPROCS", "GOMEMLIMIT", "GOGC", "GODEBUG", "GOTRACEBACK", "GOCOVERDIR",
	}
	if runtime.GOOS == "windows" {
		names = append(names, "SYSTEMROOT", "WINDIR", "COMSPEC", "PATHEXT", "TEMP", "TMP", "USERPROFILE", "LOCALAPPDATA", "APPDATA")
	}
	return names
}

// environment returns the environment of an extension: what is inherited, then own, which wins.
func environment(own map[string]string) ([]string, error) {
	var env []string
	for _, name := range inherited() {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.Contains(own[name], "\x00") {
			return nil, fmt.Errorf("%q cannot be the name of a variable, or its value has a zero byte", name)
		}
		env = append(env, name+"="+own[name])
	}
	return env, nil
}
