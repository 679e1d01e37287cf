package core

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxOwners bounds the way from a bot to its owner, who may be a bot in turn.
const maxOwners = 8

// Human returns the person behind a name, in one spelling: the owner of a bot, else the name itself.
//
// Names are taken for the same person without regard to case, surrounding space and, in
// addresses, a +tag: those are ways to have two names, and nobody shall review their own
// request under the second. An error here refuses a review too many and never one too few.
func (d *Directory) Human(name string) string {
	for range maxOwners {
		u, ok := d.User(name)
		if !ok || strings.TrimSpace(u.Owner) == "" {
			break
		}
		name = u.Owner
	}
	return personKey(name)
}

// selves appends every spelling under which the person behind a name is known: the name, the
// owners', and the PagerDuty address of each.
func (d *Directory) selves(name string, to []string) []string {
	for range maxOwners {
		to = append(to, personKey(name))
		u, ok := d.User(name)
		if !ok {
			break
		}
		if email := u.PagerDutyEmail(); email != name {
			to = append(to, personKey(email))
		}
		if strings.TrimSpace(u.Owner) == "" {
			break
		}
		name = u.Owner
	}
	return to
}

// samePerson reports whether two lists of selves meet.
func samePerson(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return s != "" && slices.Contains(b, s) })
}

// personKey is the one spelling of a name that stands for all.
func personKey(name string) string {
	name = strings.TrimSpace(name)
	if at := strings.LastIndexByte(name, '@'); at > 0 {
		if plus := strings.IndexByte(name[:at], '+'); plus > 0 {
			name = name[:plus] + name[at:]
		}
	}
	for i := range len(name) {
		if c := name[i]; c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf {
			return strings.Map(foldRune, name)
		}
	}
	return name
}

// foldRune is Unicode's simple case folding: the same rune for K, k and the Kelvin sign.
func foldRune(r rune) rune {
	if 'a' <= r && r <= 'z' || r < 'A' {
		return r
	}
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	return unicode.ToLower(least)
}
