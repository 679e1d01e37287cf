package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// Options configure a server. The zero value of a field means its default.
type Options struct {
	// Fsync makes commits wait for the disk. Without it, what is committed outlives a
	// crash of the server but not one of the machine, which is all that most tests need.
	Fsync bool
}

// A Server is a PostgreSQL server of its own, in a temporary folder and on a free loopback
// port that it keeps until Close. Its methods may be called by several goroutines.
type Server struct {
	programs string // the folder of postgres and initdb
	folder   folder
	port     int
	fsync    bool
	made     atomic.Int64 // databases so far, for their names

	mu      sync.Mutex
	running *process // nil while it is down
}

// Open makes a server and starts it. The caller closes it.
func Open(o Options) (*Server, error) {
	programs, err := findPrograms("/usr/lib/postgresql")
	if err != nil {
		return nil, err
	}
	f, err := makeFolder()
	if err != nil {
		return nil, err
	}
	s := &Server{programs: programs, folder: f, fsync: o.Fsync}
	if err := s.build(); err != nil {
		return nil, errors.Join(err, f.remove())
	}
	return s, nil
}

// build makes the cluster and starts it on the first port that nobody takes before us.
func (s *Server) build() error {
	args := []string{
		"-D", s.folder.data(), "-U", "postgres", "-E", "UTF8", "--locale=C",
		"--auth-local=trust", "--auth-host=trust",
	}
	if !s.fsync {
		args = append(args, "--no-sync")
	}
	if err := s.run("initdb", args...); err != nil {
		return err
	}
	var err error
	for range 5 {
		if s.port, err = freePort(); err != nil {
			return err
		}
		if err = s.Start(); err == nil {
			return nil
		}
	}
	return err
}

// Start starts a server that is down and returns when it answers. Starting one that runs does nothing.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		return nil
	}
	p, err := s.serve()
	if err != nil {
		return fmt.Errorf("start PostgreSQL on port %d: %w", s.port, err)
	}
	s.running = p
	return nil
}

// Stop ends the server at once, as a crash would, and returns when it is gone. Stopping one that is down does nothing.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return nil
	}
	p := s.running
	s.running = nil
	return p.stop()
}

// Close stops the server and removes its folder.
func (s *Server) Close() error { return errors.Join(s.Stop(), s.folder.remove()) }

// DSN returns the address of a database on the server, as a superuser.
func (s *Server) DSN(database string) string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/%s?sslmode=disable", s.port, database)
}

// Database makes a fresh database and returns its DSN.
func (s *Server) Database(ctx context.Context) (string, error) {
	name := fmt.Sprintf("test_%d", s.made.Add(1))
	err := s.exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()+" TEMPLATE template1")
	if err != nil {
		return "", fmt.Errorf("create database %s: %w", name, err)
	}
	return s.DSN(name), nil
}

// Drop drops the database of a DSN and ends the sessions on it.
func (s *Server) Drop(ctx context.Context, dsn string) error {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return fmt.Errorf("drop a database: %w", err)
	}
	err = s.exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{cfg.Database}.Sanitize()+" WITH (FORCE)")
	if err != nil {
		return fmt.Errorf("drop database %s: %w", cfg.Database, err)
	}
	return nil
}

func (s *Server) exec(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, s.DSN("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

// findPrograms returns the folder of the newest PostgreSQL installed below root, VERSION/bin.
func findPrograms(root string) (string, error) {
	found, err := filepath.Glob(filepath.Join(root, "*/bin/initdb"))
	if err != nil {
		return "", err
	}
	best, newest := "", -1
	for _, path := range found {
		dir := filepath.Dir(path)
		version, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		if err != nil {
			continue // not one of Debian's
		}
		if _, err := os.Stat(filepath.Join(dir, "postgres")); err == nil && version > newest {
			best, newest = dir, version
		}
	}
	if best == "" {
		return "", errors.New("PostgreSQL is not installed: run make test, which installs it")
	}
	return best, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
