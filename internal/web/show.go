package web

import (
	"net/http"
	"time"

	"github.com/a-h/templ"
)

// show renders a page under a policy that lets it run and load only what is ours.
func show(w http.ResponseWriter, r *http.Request, c templ.Component) {
	showStatus(w, r, http.StatusOK, c)
}

func showStatus(w http.ResponseWriter, r *http.Request, status int, c templ.Component) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if err := c.Render(r.Context(), w); err != nil {
		return // the reader has gone; there is nobody to tell
	}
}

// clock writes a moment as the tables show it.
func clock(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2 Jan 15:04:05 UTC")
}

// until writes the end of a duty.
func until(t time.Time) string {
	if t.IsZero() {
		return "for good"
	}
	return clock(t)
}

// left writes how long something still lasts.
func left(until, now time.Time) string {
	if until.IsZero() {
		return "no end"
	}
	d := until.Sub(now).Round(time.Second)
	if d <= 0 {
		return "over"
	}
	return d.String()
}

// tone is the class by which a state is coloured.
func tone(state string) string {
	switch state {
	case "APPROVED", "active", "resolved":
		return "good"
	case "DENIED", "failed", "EXPIRED":
		return "bad"
	case "PENDING", "pending", "ending", "wanted", "open":
		return "wait"
	default:
		return "plain"
	}
}
