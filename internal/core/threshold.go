package core

import (
	"slices"
	"strconv"

	"github.com/sallyport/sallyport/internal/predicate"
)

// maxThresholds is the most thresholds that one request may collect. The number is Teleport's.
const maxThresholds = 4096

// A thresholdList collects the thresholds of a request. Equal ones are kept once.
// (Teleport's thresholdCollector.)
type thresholdList struct {
	all   []Threshold
	index map[Threshold]int // once there are many
}

// add puts thresholds on the list and returns where they stand.
func (l *thresholdList) add(thresholds []Threshold) ([]int, error) {
	set := make([]int, 0, len(thresholds))
	for _, t := range thresholds {
		i := l.find(t)
		if i < 0 {
			if i = len(l.all); i == maxThresholds {
				return nil, Errorf(Invalid, "the request collects more than %d thresholds", maxThresholds).
					WithHint("ask for fewer roles at once")
			}
			l.all = append(l.all, t)
			if l.index != nil {
				l.index[t] = i
			}
		}
		set = append(set, i)
	}
	return set, nil
}

func (l *thresholdList) find(t Threshold) int {
	const few = 16
	if len(l.all) <= few {
		return slices.Index(l.all, t)
	}
	if l.index == nil {
		l.index = make(map[Threshold]int, 2*len(l.all))
		for i, old := range l.all {
			l.index[old] = i
		}
	}
	if i, ok := l.index[t]; ok {
		return i
	}
	return -1
}

// countsFor returns the thresholds that a review counts for: those whose filter holds now.
// One filter that cannot be evaluated refuses the review.
func (d *Directory) countsFor(r *Request, c *predicate.Context) ([]int, error) {
	out := make([]int, 0, len(r.Thresholds))
	for i, t := range r.Thresholds {
		if t.Filter != "" {
			e, err := d.filter(t.Filter)
			matches := false
			if err == nil {
				matches, err = e.Eval(c)
			}
			if err != nil {
				return nil, Errorf(Refused, "the filter of %s cannot be evaluated: %w", thresholdName(t, i), err).
					WithHint("an administrator can mend the filter in the role; then ask again")
			}
			if !matches {
				continue
			}
		}
		out = append(out, i)
	}
	return out, nil
}

// A tally is the number of approvals and denials that count for a threshold.
type tally struct{ approve, deny int }

// count counts the reviews of a request that stand, threshold by threshold.
func count(r *Request, stands func(*Review) bool, to []tally) []tally {
	for range r.Thresholds {
		to = append(to, tally{})
	}
	for n := range r.Reviews {
		rev := &r.Reviews[n]
		if len(rev.CountsFor) == 0 || !stands(rev) {
			continue
		}
		for _, i := range rev.CountsFor {
			switch {
			case i < 0 || i >= len(to): // never written by us
			case rev.State == Approved:
				to[i].approve++
			case rev.State == Denied:
				to[i].deny++
			}
		}
	}
	return to
}

// resolve says what the reviews of a request have come to: Denied, Approved or Pending.
//
// A single threshold that has its denials denies. Otherwise, for every requested role,
// every set must have a threshold that has its approvals. A threshold with approve 0 never
// approves and one with deny 0 never denies; a role without a set is never approved.
// (Teleport's calculateReviewBasedResolution.)
func resolve(r *Request, tallies []tally) RequestState {
	for i, t := range r.Thresholds {
		if t.Deny > 0 && tallies[i].deny >= t.Deny {
			return Denied
		}
	}
	if len(r.Roles) == 0 {
		return Pending
	}
	for _, role := range r.Roles {
		sets := r.Sets[role]
		if len(sets) == 0 {
			return Pending
		}
		for _, set := range sets {
			if !met(r, set, tallies) {
				return Pending
			}
		}
	}
	return Approved
}

// met reports whether some threshold of a set has its approvals.
func met(r *Request, set []int, tallies []tally) bool {
	return slices.ContainsFunc(set, func(i int) bool {
		return i >= 0 && i < len(tallies) && r.Thresholds[i].Approve > 0 && tallies[i].approve >= r.Thresholds[i].Approve
	})
}

// standing appends the reasons to a list.
func standing(r *Request, tallies []tally, to []Reason) []Reason {
	for i, t := range r.Thresholds {
		if t.Deny > 0 && tallies[i].deny >= t.Deny {
			return append(to, Reason{Check: "threshold", Text: string(appendProgress(nil, tallies[i].deny, t.Deny, "denial", t, i))})
		}
	}
	for _, role := range r.Roles {
		for _, set := range r.Sets[role] {
			reason := Reason{Check: "threshold", OK: met(r, set, tallies), Text: describeSet(r, role, set, tallies)}
			if !slices.Contains(to, reason) {
				to = append(to, reason)
			}
		}
	}
	return to
}

// describeSet says "ROLE: 1 of 2 approvals for NAME; or …".
func describeSet(r *Request, role string, set []int, tallies []tally) string {
	b := append(make([]byte, 0, 128), role...)
	some := false
	for n, i := range set {
		if i < 0 || i >= len(tallies) || r.Thresholds[i].Approve == 0 || slices.Contains(set[:n], i) {
			continue
		}
		if some {
			b = append(b, "; or "...)
		} else {
			b = append(b, ": "...)
		}
		t := r.Thresholds[i]
		b, some = appendProgress(b, tallies[i].approve, t.Approve, "approval", t, i), true
		if t.Filter != "" {
			b = append(append(b, ", counted where "...), t.Filter...)
		}
	}
	if !some {
		b = append(b, ": no number of approvals is enough"...)
	}
	return string(b)
}

// appendProgress says "1 of 2 approvals for NAME".
func appendProgress(b []byte, have, want int, word string, t Threshold, i int) []byte {
	b = append(strconv.AppendInt(b, int64(have), 10), " of "...)
	b = append(append(strconv.AppendInt(b, int64(want), 10), ' '), word...)
	if want != 1 {
		b = append(b, 's')
	}
	return append(append(b, " for "...), thresholdName(t, i)...)
}

func thresholdName(t Threshold, i int) string {
	if t.Name != "" {
		return "threshold " + strconv.Quote(t.Name)
	}
	return "threshold " + strconv.Itoa(i+1)
}
