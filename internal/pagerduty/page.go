package pagerduty

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strconv"

	"github.com/sallyport/sallyport/internal/core"
)

const (
	pageSize  = 100    // PagerDuty's most for classic lists; its default of 25 hides the rest
	offsetCap = 10_000 // offset+limit beyond this is a 400 (PagerDuty's documentation of pagination)
)

// ErrTooMany says that a list is longer than PagerDuty lets anybody page through. What was read comes with it.
var ErrTooMany = errors.New("more than PagerDuty's paging reaches")

// errMoved says that a list changed in a way that may have hidden an item from us.
var errMoved = errors.New("the list changed while it was read")

// A listing is one list to be read to its end.
type listing struct {
	path, key string // "/users", "users"
	query     url.Values
	lane      lane
	alone     bool // as in call; the bulk lane is alone too, since it may wait for a minute
}

// A page is one answer of a classic list. Total is null unless asked for, and v3 lists may lack it.
type page struct {
	items []json.RawMessage
	More  bool `json:"more"`
	Total *int `json:"total"`
}

// A list is what was read, each item once.
type list[T any] struct {
	items   []T
	skipped int // items that were not understood
}

// readAll reads a list to its end, in order. id tells items apart, and "" that an item is not
// understood. The list of one moment is not to be had: items come and go between pages. One
// that comes may be seen or not; one that goes moves all later ones up, so that one of them
// slips between two pages. The total tells, and then the whole is read once more.
func readAll[T any](ctx context.Context, c *Client, l listing, id func(T) string) (list[T], error) {
	for again := false; ; again = true {
		got, err := readOnce(ctx, c, l, id)
		if errors.Is(err, errMoved) && !again {
			continue
		}
		if errors.Is(err, errMoved) {
			err = c.odd(l.call(0), "the list kept changing while it was read")
		}
		if got.skipped > 0 {
			c.log.Warn("items of a PagerDuty list are not understood", "account", c.account.Name, "list", l.path, "items", got.skipped)
		}
		return got, err
	}
}

func readOnce[T any](ctx context.Context, c *Client, l listing, id func(T) string) (got list[T], err error) {
	seen := map[string]bool{}
	first, total, empty := 0, -1, 0
	for offset := 0; ; {
		if offset+pageSize > offsetCap {
			return got, fmt.Errorf("%s: %w", l.path, ErrTooMany)
		}
		p, err := readPage(ctx, c, l, offset)
		if err != nil {
			return list[T]{}, err
		}
		for _, raw := range p.items {
			var item T
			key := ""
			if json.Unmarshal(raw, &item) == nil {
				key = id(item)
			}
			switch {
			case key == "":
				got.skipped++
			case !seen[key]:
				seen[key] = true
				got.items = append(got.items, item)
			}
		}
		offset += len(p.items)
		if p.Total != nil {
			if total < 0 {
				first = *p.Total
			} else if *p.Total < total {
				return list[T]{}, errMoved
			}
			total = *p.Total
		}
		switch {
		case !p.More:
			if len(got.items) == 0 && got.skipped > 0 {
				return list[T]{}, c.odd(l.call(0), "no item of the list is understood")
			}
			if len(seen)+got.skipped < first {
				return list[T]{}, errMoved
			}
			return got, nil
		case len(p.items) == 0:
			if empty++; empty > 1 {
				return list[T]{}, c.odd(l.call(offset), "an empty page says that more follow")
			}
		}
	}
}

// readPage asks for one page. A list without its key, or null in its place, is no empty list.
func readPage(ctx context.Context, c *Client, l listing, offset int) (page, error) {
	k := l.call(offset)
	var fields map[string]json.RawMessage
	var p page
	data, err := c.answer(ctx, k)
	if err != nil {
		return p, noList(err)
	}
	if json.Unmarshal(data, &fields) != nil || json.Unmarshal(data, &p) != nil {
		return p, c.odd(k, "the answer does not have the form it should")
	}
	if json.Unmarshal(fields[l.key], &p.items) != nil || p.items == nil {
		return p, c.odd(k, "the answer has no list of "+l.key)
	}
	return p, nil
}

// noList takes "not found" for what it means at a list, which is always there: the address is wrong.
func noList(err error) error {
	var e *core.Error
	if errors.As(err, &e) && e.Kind == core.NotFound {
		wrong := *e
		wrong.Kind = core.Unavailable
		return &wrong
	}
	return err
}

func (l listing) call(offset int) call {
	q := maps.Clone(l.query)
	if q == nil {
		q = url.Values{}
	}
	q.Set("limit", strconv.Itoa(pageSize))
	q.Set("offset", strconv.Itoa(offset))
	q.Set("total", "true")
	return call{op: "GET " + l.path, path: l.path, query: q, lane: l.lane, alone: l.alone || l.lane == laneBulk}
}
