// Command bench measures Sallyport beside what limits it, and prints one JSON line per figure.
//
// Every line has the figure's id, our value with its unit, the peer's value (a limit or
// another product, measured in the same run where it can be), and the ratio of the two, of
// which more is better: ours by the peer's for rates, the peer's by ours for times and
// counts. Nothing else goes to standard output. Everything is on loopback, in folders that
// go away, and bounded in time.
//
//	bench                 all figures
//	bench -only P1,P7     some of them
//	bench -soak 1h        the load of P2 for a long time, with the server killed at random
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A figure is one line.
type figure struct {
	ID    string         `json:"id"`
	What  string         `json:"what,omitempty"`
	Value float64        `json:"value"`
	Unit  string         `json:"unit"`
	Peer  float64        `json:"peer"`
	Ratio float64        `json:"ratio"`
	Goal  string         `json:"goal"`
	Met   bool           `json:"met"`
	P50   float64        `json:"p50,omitempty"`
	P99   float64        `json:"p99,omitempty"`
	Max   float64        `json:"max,omitempty"`
	Note  string         `json:"note,omitempty"`
	More  map[string]any `json:"more,omitempty"`
}

// figures are all there are, and how long each may take.
var figures = []struct {
	id    string
	run   func(context.Context, *lab) ([]figure, error)
	limit time.Duration
}{
	{"P1", measureRule, time.Minute},
	{"P2", measureRequests, 3 * time.Minute},
	{"P6", measureCalls, 3 * time.Minute},
	{"P7", measureRevokes, 5 * time.Minute},
	{"P8", measureStart, 3 * time.Minute},
	{"P10", measureSync, 2 * time.Minute},
	{"P13", measureCertificates, 2 * time.Minute},
	{"P15", measurePermission, time.Minute},
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == asServer {
		os.Exit(exit(serveSelf(os.Args[2:])))
	}
	if len(os.Args) > 1 && os.Args[1] == asBare {
		os.Exit(exit(serveBare(os.Args[2:])))
	}
	only := flag.String("only", "", "the `figures` to measure, as P1,P7; default all")
	soakFor := flag.Duration("soak", 0, "run the load for this `long`, with random kills, instead of measuring")
	profile := flag.String("profile", "", "a `folder` for CPU profiles of the server under the load of P2")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := exit(run(ctx, *only, *soakFor, *profile))
	stop()
	os.Exit(code)
}

func exit(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func run(ctx context.Context, only string, soakFor time.Duration, profile string) error {
	l, err := newLab(profile)
	if err != nil {
		return err
	}
	defer l.close()
	if soakFor > 0 {
		f, err := soak(ctx, l, soakFor)
		return errors.Join(err, show(f))
	}
	wanted := strings.Split(only, ",")
	var trouble []error
	for _, f := range figures {
		if only != "" && !slices.Contains(wanted, f.id) {
			continue
		}
		bounded, cancel := context.WithTimeout(ctx, f.limit)
		lines, err := f.run(bounded, l)
		cancel()
		if err != nil {
			trouble = append(trouble, fmt.Errorf("%s: %w", f.id, err))
		}
		for _, line := range lines {
			trouble = append(trouble, show(line))
		}
	}
	return errors.Join(trouble...)
}

// show prints a line.
func show(f figure) error {
	if f.ID == "" {
		return nil
	}
	for _, v := range []*float64{&f.Value, &f.Peer, &f.P50, &f.P99, &f.Max} {
		*v = round(*v)
	}
	if f.Ratio == 0 && f.Value != 0 && f.Peer != 0 {
		f.Ratio = f.Peer / f.Value
		if strings.HasSuffix(f.Unit, "/s") {
			f.Ratio = f.Value / f.Peer
		}
	}
	f.Ratio = round(f.Ratio)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	return out.Encode(f)
}
