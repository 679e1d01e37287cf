package predicate

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync/atomic"
)

// compilePattern reads a pattern of regexp.match the way Teleport does: what
// starts with ^ and ends with $ is a regular expression (RE2) and taken as it
// stands; all else is a glob in which * is any run of characters without a line
// break, everything else is itself, and the whole value must match.
func compilePattern(pattern string) (*regexp.Regexp, error) {
	if strings.HasPrefix(pattern, "^") && strings.HasSuffix(pattern, "$") {
		tree, err := syntax.Parse(pattern, syntax.Perl)
		if err != nil {
			return nil, err
		}
		if patternSize(tree) > maxPatternSize {
			return nil, fmt.Errorf("its repetitions come to more than %d steps", maxPatternSize)
		}
		return regexp.Compile(pattern)
	}
	parts := strings.Split(pattern, "*")
	for i, p := range parts {
		parts[i] = regexp.QuoteMeta(p)
	}
	return regexp.Compile("^" + strings.Join(parts, ".*") + "$")
}

// maxPatternSize bounds what a pattern costs to compile: repetitions are written
// out then, and a{1000} over and over would turn 4 KiB of a request's reason
// into 0.2 s and many megabytes. Teleport has no such bound.
const maxPatternSize = 20_000

// patternSize is how many steps the pattern has with its repetitions written out.
func patternSize(re *syntax.Regexp) int {
	size := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		size += patternSize(sub)
	}
	if re.Op == syntax.OpRepeat {
		size *= max(re.Min, re.Max, 1)
	}
	return size
}

// A patternCache remembers the last pattern of a call whose pattern is not
// written in the expression. One is enough: the pattern is a request's reason,
// which is asked several times for one request.
type patternCache struct{ last atomic.Pointer[compiled] }

type compiled struct {
	pattern string
	re      *regexp.Regexp
}

// maxCachedPattern bounds what a stranger's reason can keep in memory.
const maxCachedPattern = 256

func (p *patternCache) compile(pattern string) (*regexp.Regexp, error) {
	if last := p.last.Load(); last != nil && last.pattern == pattern {
		return last.re, nil
	}
	re, err := compilePattern(pattern)
	if err == nil && len(pattern) <= maxCachedPattern {
		p.last.Store(&compiled{pattern, re})
	}
	return re, err
}
