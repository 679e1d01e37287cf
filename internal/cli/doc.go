// Package cli is the command line: it turns words into calls of the API, and
// the answers into tables, JSON and YAML.
//
// One file holds one command, named for its noun. The one thing to know: a
// command never decides and never prints what a server says as it came. Every
// string from outside passes plain, which takes terminal escapes out, and every
// error passes fail, which alone knows how trouble becomes an exit status.
package cli
