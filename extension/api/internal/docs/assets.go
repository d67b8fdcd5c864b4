package docs

import (
	"embed"
	"html/template"
)

//go:embed page.html style.css page.js
var files embed.FS

// StyleSheet returns what the page looks like; the page loads it from docs/style.css.
func StyleSheet() []byte { return asset("style.css") }

// Script returns what makes the page more comfortable; the page loads it from docs/page.js, and needs it for nothing.
func Script() []byte { return asset("page.js") }

func asset(name string) []byte {
	b, err := files.ReadFile(name)
	if err != nil {
		panic("docs: " + err.Error()) // it is embedded
	}
	return b
}

// icon is that of the page. It is within the page, so that browsers do not ask for /favicon.ico.
const icon template.URL = "data:image/svg+xml," +
	"%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Crect width='32' height='32' rx='7' fill='%234338ca'/%3E" +
	"%3Cpath d='M7 24V13l9-6 9 6v11M12 24v-7h8v7' fill='none' stroke='white' stroke-width='2.5' stroke-linejoin='round' stroke-linecap='round'/%3E%3C/svg%3E"
