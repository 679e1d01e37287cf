package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"
)

const (
	starts   = 15
	settling = 5 * time.Second // until memory is measured
)

// measureStart is how long it takes from the start of the process until its socket answers:
// on an empty folder, where the database is made, and on a database that is there. It also
// measures the program that is shipped, and its memory when nothing happens.
//
// The peer is a Go process that opens an empty SQLite file and a Unix socket.
func measureStart(ctx context.Context, l *lab) ([]figure, error) {
	binary, err := l.build(ctx)
	if err != nil {
		return nil, err
	}
	var first, again, bare spread
	for range starts {
		data, err := l.folder()
		if err != nil {
			return nil, err
		}
		argv := []string{binary, "serve", "--data", data, "--listen", "127.0.0.1:0"}
		empty, err := l.folder()
		if err != nil {
			return nil, err
		}
		for _, s := range []struct {
			to   *spread
			data string
			argv []string
		}{{&first, data, argv}, {&again, data, argv}, {&bare, empty, []string{os.Args[0], asBare, empty}}} {
			took, err := startAndStop(ctx, s.data, s.argv)
			if err != nil {
				return nil, err
			}
			*s.to = append(*s.to, took)
		}
	}
	rss, err := idle(ctx, l, binary)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(binary)
	if err != nil {
		return nil, err
	}
	peer := ms(bare.at(0.5))
	line := func(what string, took spread) figure {
		return figure{ID: "P8", What: what, Value: ms(took.at(0.5)), Unit: "ms", Peer: peer, Goal: "<= 60 ms", Met: took.at(0.5) <= 60*time.Millisecond,
			P50: ms(took.at(0.5)), Max: ms(took.at(1)), Note: "the middle of 15; peer: a Go process with an empty SQLite file and a socket"}
	}
	return []figure{
		line("start on a database that is there", again),
		line("start on an empty folder", first),
		{ID: "P8", What: "size of the program", Value: mb(info.Size()), Unit: "MB", Goal: "<= 40 MB", Met: mb(info.Size()) <= 40},
		{ID: "P8", What: "memory when idle", Value: mb(rss), Unit: "MB", Goal: "<= 35 MB", Met: mb(rss) <= 35},
	}, nil
}

func startAndStop(ctx context.Context, data string, argv []string) (time.Duration, error) {
	s, took, err := start(ctx, filepath.Join(data, "sallyport.sock"), argv[0], argv[1:]...)
	if err != nil {
		return 0, err
	}
	return took, s.stop()
}

// idle returns the memory of a server that has been up for a while on an empty folder.
func idle(ctx context.Context, l *lab, binary string) (int64, error) {
	data, err := l.folder()
	if err != nil {
		return 0, err
	}
	s, _, err := start(ctx, filepath.Join(data, "sallyport.sock"), binary, "serve", "--data", data, "--listen", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	pause(ctx, settling)
	rss, err := s.memory("VmRSS")
	return rss, errors.Join(err, s.stop())
}
