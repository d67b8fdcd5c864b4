package character

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/stagehouse/stagehouse/schema"
)

// Sample returns an agent to begin with: everything in it is to be changed, and it works as it is.
func Sample(id string) Character {
	name := called(id)
	return Character{
		Name:        name,
		Description: name + " is new here: somebody to talk to.",
		Persona:     "You are " + name + ". You like people and the things that they think about, and you say so when you do not know something.",
		Traits:      []string{"curious", "friendly"},
		Backstory:   "You began a moment ago, and whoever made you has not told you more yet.",
		Goals:       []string{"Find out what people need of you"},
		Style:       []string{"Short answers in plain words"},
		Skills:      []string{"conversation"},
		Brain:       schema.Brain{Provider: "builtin"},
	}
}

// called makes a name of an id.
func called(id string) string {
	first, size := utf8.DecodeRuneInString(id)
	return string(unicode.ToUpper(first)) + id[size:]
}

// Write makes the file of an agent in a folder, which it makes too where there is none, and returns its path. It replaces
// nothing: a file that is there, or one of an agent with that id, is an error.
func Write(ctx context.Context, dir, id string, c Character) (path string, err error) {
	if !schema.ValidID(id) || strings.HasPrefix(id, ".") {
		return "", fmt.Errorf("%.80q is no name for an agent: 1 to %d letters, digits or . _ ~ : - characters, and no dot at the beginning", id, schema.MaxIDBytes)
	}
	if err := c.sound(id); err != nil {
		return "", err
	}
	text, err := c.Text()
	if err != nil {
		return "", err
	}
	files, problems, err := ReadFolder(ctx, dir)
	switch {
	case err != nil:
		return "", err
	case len(problems) > 0:
		return "", errors.New(problems[0].Message)
	}
	for _, f := range files {
		if f.ID == id {
			return "", fmt.Errorf("there is an agent %s already, in %s; choose another name, or change that one", id, filepath.Join(dir, f.Name))
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // it is configuration, which has no secrets
		return "", err
	}
	path = filepath.Join(dir, id+Extension)
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644) //nolint:gosec // see above
	if errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("%s is there already; choose another name, or change that one", path)
	}
	if err != nil {
		return "", err
	}
	_, err = out.Write(text)
	if err := errors.Join(err, out.Close()); err != nil {
		return "", errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(path))
	}
	return path, nil
}
