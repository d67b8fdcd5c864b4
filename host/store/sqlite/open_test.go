package sqlite_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stagehouse/stagehouse/host/store"
	"github.com/stagehouse/stagehouse/host/store/sqlite"
)

func TestOpenAgainKeepsTheEpoch(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	epoch := s.Epoch()
	if len(epoch) != 16 || strings.Trim(epoch, "abcdefghijklmnopqrstuvwxyz234567") != "" {
		t.Errorf("epoch %q is not lower-case base32", epoch)
	}
	update(t, s, func(tx store.Tx) error { return tx.AppendEvent(event(1)) })
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*-*")); len(left) > 0 {
		t.Errorf("a clean close leaves %v", left)
	}
	s = open(t, dir)
	if s.Epoch() != epoch {
		t.Errorf("epoch was %q and is %q", epoch, s.Epoch())
	}
	e := event(2)
	update(t, s, func(tx store.Tx) error { return tx.AppendEvent(e) })
	if e.Cursor.Seq != 2 || e.Cursor.Epoch != epoch {
		t.Errorf("the event after reopening is %s", e.Cursor)
	}
	if other := open(t, t.TempDir()); other.Epoch() == epoch {
		t.Error("two databases have the same epoch")
	}
}

// TestNobodyElseReadsTheFiles: what people tell their agents is theirs, whatever the directory allows.
func TestNobodyElseReadsTheFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	update(t, s, func(tx store.Tx) error { return tx.AppendEvent(event(1)) })
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(files) < 2 {
		t.Errorf("there are only %v", files)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", f, info.Mode().Perm(), err)
		}
	}
}

func TestOpenInAnOddDirectory(t *testing.T) {
	name := "odd dir #1 100% a+b&c=d ü"
	if runtime.GOOS != "windows" {
		name += " ?x=1"
	}
	dir := filepath.Join(t.TempDir(), name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	update(t, s, func(tx store.Tx) error { return tx.AppendEvent(event(1)) })
	if _, err := os.Stat(filepath.Join(dir, "test.db")); err != nil {
		t.Error(err)
	}
}

func TestSettingsThatDurabilityRestsOn(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if got := sqlite.Pragmas(t.Context(), s); got != "wal 2 1" {
		t.Errorf("journal mode, synchronous, foreign keys are %q, want wal, FULL (2) and on", got)
	}
}

// TestOpenSaysWhatIsWrong checks that each error names the file and says what to do.
func TestOpenSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(t *testing.T, path string)
		want []string
	}{
		{"newer", func(t *testing.T, path string) {
			change(t, path, `UPDATE goose_db_version SET version_id = 99 WHERE version_id = (SELECT max(version_id) FROM goose_db_version)`)
		}, []string{"newer stagehouse", "version 99", "another data directory"}},
		{"not a database", func(t *testing.T, path string) {
			write(t, path, strings.Repeat("this is a text file\n", 500))
		}, []string{"damaged or not a database", "backup"}},
		{"damaged", func(t *testing.T, path string) {
			seed(t, path)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := 100; i < len(b); i++ {
				b[i] = 0xaa
			}
			write(t, path, string(b))
		}, []string{"damaged or not a database", "backup"}},
		{"no directory", func(t *testing.T, path string) {
			if err := os.Remove(filepath.Dir(path)); err != nil {
				t.Fatal(err)
			}
		}, []string{"cannot be opened", "directory exists"}},
		{"is a directory", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, []string{"cannot be opened"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "test.db")
			c.make(t, path)
			s, err := sqlite.Open(context.Background(), path)
			if err == nil {
				_ = s.Close()
				t.Fatal("it opened")
			}
			for _, want := range append(c.want, path) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
		})
	}
}

func TestOpenUnwritable(t *testing.T) {
	if runtime.GOOS == "windows" || os.Geteuid() == 0 {
		t.Skip("this user may write everything")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "test.db")
	seed(t, path)
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(context.Background(), path)
	if err == nil {
		_ = s.Close()
		t.Fatal("it opened")
	}
	if !strings.Contains(err.Error(), "cannot be written") {
		t.Errorf("error %q does not say that it cannot be written", err)
	}
}

func seed(t *testing.T, path string) {
	t.Helper()
	s, err := sqlite.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func change(t *testing.T, path, query string) {
	t.Helper()
	seed(t, path)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(query); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
