package cli

import (
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

// selfPath returns a path that runs this very executable, on Linux even after the file has been replaced or removed.
func selfPath() (string, error) {
	if runtime.GOOS == "linux" {
		if _, err := os.Stat("/proc/self/exe"); err == nil {
			return "/proc/self/exe", nil
		}
	}
	return os.Executable()
}

// buildDetails says from what and for what the program was built.
func buildDetails() string {
	words := []string{runtime.GOOS + "/" + runtime.GOARCH, runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				words = append(words, s.Value[:min(12, len(s.Value))])
			}
		}
	}
	return "(" + strings.Join(words, ", ") + ")"
}
