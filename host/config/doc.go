// Package config reads the configuration of a host: defaults, then the file, then the environment, then flags.
//
// It reports every problem that it finds in one pass, each with a JSON pointer and, where there is one, what to do. It
// starts nothing but the check mode of the extensions that are configured, and it never puts a secret into a message.
package config
