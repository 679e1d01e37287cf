package api

import (
	"net"
	"net/http"
	"sync"
)

// How many connections a server holds over the network. The total is less where the process
// may open few files: the database and the calls to PagerDuty need some too.
const (
	maxConnections           = 4096
	maxConnectionsPerAddress = 512
)

// connections counts those of one server, and closes what is too many.
type connections struct {
	total      func() int
	perAddress int
	refused    func(reason string)

	mu        sync.Mutex
	held      map[net.Conn]string
	byAddress map[string]int
}

func newConnections(refused func(string)) *connections {
	return &connections{
		total: total, perAddress: maxConnectionsPerAddress, refused: refused,
		held: map[net.Conn]string{}, byAddress: map[string]int{},
	}
}

// total looks at how many files may be open now: that can be changed while a process runs.
func total() int { return min(maxConnections, openFiles()/2) }

// changed is a server's ConnState.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	if conn.RemoteAddr().Network() == "unix" {
		return
	}
	switch state {
	case http.StateNew:
		if !c.hold(conn) {
			c.refused(refusedConnections)
			_ = conn.Close() // there is nobody to tell
		}
	case http.StateClosed, http.StateHijacked:
		c.release(conn)
	}
}

func (c *connections) hold(conn net.Conn) bool {
	address := addressOf(conn.RemoteAddr().String())
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.held) >= c.total() || c.byAddress[address] >= c.perAddress {
		return false
	}
	c.held[conn] = address
	c.byAddress[address]++
	return true
}

func (c *connections) release(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	address, held := c.held[conn]
	if !held {
		return
	}
	delete(c.held, conn)
	if c.byAddress[address]--; c.byAddress[address] == 0 {
		delete(c.byAddress, address)
	}
}
