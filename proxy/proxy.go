// Package proxy answers a build's requests, from a store when it can.
//
// A connection's way through the package: Serve accepts it, conn.go finds out
// what it speaks, tls.go opens its TLS, tunnel.go carries what is not HTTP, and
// handler.go sends each request either through the cache (cached.go, flight.go)
// or past it (pass.go). What was just answered from the cache may be answered by
// hotconn.go before it gets that far.
package proxy

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"cachex/proxy/lock"
	"cachex/proxy/policy"
	"cachex/proxy/store"
)

// Proxy is a transparent HTTP and HTTPS proxy with a cache. Set its fields
// before Serve.
type Proxy struct {
	// Store keeps answers. It must be set.
	Store *store.Store
	// Policy judges what is kept; the zero value is policy.Artifacts.
	Policy policy.Mode
	// Rules change how single URLs are treated. nil changes nothing.
	Rules policy.Rules
	// Offline answers from the store alone. Upstream, Dial and Connect are never
	// called.
	Offline bool
	// Reach says which hosts may be reached. What is kept from others is not
	// served either.
	Reach Reach
	// Lock collects what clients receive. nil collects nothing.
	Lock *lock.Recorder
	// Frozen names all that clients may receive: any other request is refused, and
	// so are bytes that differ, before the last of them is sent. nil lets all
	// through. It must not change.
	Frozen *lock.File
	// Upstream sends requests on; see NewTransport.
	Upstream http.RoundTripper
	// Dial opens connections for what is not HTTP. nil is a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Connect opens connections that carry TLS; see NewConnect. nil is Dial.
	Connect func(ctx context.Context, network, address string) (net.Conn, error)
	// Passthrough are hosts whose TLS is not opened but carried as it is. What
	// is sent to them without TLS is treated as any other's.
	Passthrough Hosts
	// Roots verify servers whose TLS carries something else than HTTP. nil is
	// the host's own.
	Roots func() (*x509.CertPool, error)
	// Certificate gives the certificate to show for a name or an address.
	Certificate func(name string) (*tls.Certificate, error)
	// Destination tells where a connection was going.
	Destination func(net.Conn) (netip.AddrPort, error)
	// Local gives the addresses on this machine's loopback, in the order in which
	// to try them, that a destination there stands for. Such a connection is
	// carried as it is, offline as well, and whatever Reach says. nil knows none.
	Local func(netip.AddrPort) []netip.AddrPort
	// Name is the host name that an address stands for, "" when unknown. nil
	// knows none.
	Name func(netip.Addr) string
	// Client names the program at the other end of a connection, "" when it is
	// not known. nil knows none. It is called for TLS that failed, and then for
	// the next connections to the same host, never for one that works.
	Client func(net.Conn) string
	// Secret is the password that clients show, with any user name, as those do
	// that are told of a proxy: for listeners that other users' programs can
	// reach too. "" lets everybody in, as a sandbox's listeners do.
	Secret string
	// Trusted lets connections in without the Secret, for programs that show
	// none. nil lets none.
	Trusted func(net.Conn) bool
	// Record is told of each exchange when it has ended. nil ignores them. It
	// may be called from several goroutines.
	Record func(Exchange)
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Stall is how long a body may send nothing before its connection counts
	// as broken; 0 is 20 seconds.
	Stall time.Duration
	// Near is how many bytes of a file may come before a part that is asked for,
	// or be asked for, without the whole file being too much to fetch for it; 0
	// is 8 MiB.
	Near int64
	// Log gets what a developer of cachex wants to know. nil discards it.
	Log *slog.Logger

	serving context.Context // of Serve: what outlives a request ends with it
	flights flights
	live    live
	// handlers are the requests being answered. http.Server.Close does not wait
	// for them, and the last thing they do is to keep what they have got.
	handlers sync.WaitGroup
	cookies  cookies
	hot      hotAnswers
	tokens   tokens
	jar      jar
	buffers  buffers
	// generations are of apt repositories.
	generations generations
	down        down
	git         gitFeed
	gitOnce     sync.Once
	pushedTo    sync.Map // hosts that git pushes to
	lfs         lfsLinks
	obstacles   obstacles
	conns       sync.WaitGroup
	ticketKey   [32]byte // of TLS sessions that clients resume
	server      *http.Server
	queue       *queue
}

const (
	// Windows are bounded (PITFALLS.md 6): Go's defaults let each unread stream
	// hold 1 MiB and each connection as much again.
	streamWindow = 256 << 10
	connWindow   = 1 << 20

	// maxHeader is four times what common servers take, so that cachex is never
	// the first to refuse.
	maxHeader = 256 << 10

	// idleTimeout outlasts the keep-alive of every client measured: the client
	// should be the one to close, or it may lose a request that crosses ours.
	idleTimeout = 10 * time.Minute
)

// Serve answers on the listeners until the context ends, and returns when all
// connections are closed. It closes the listeners.
func (p *Proxy) Serve(ctx context.Context, listeners []net.Listener) error {
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p.serving = ctx
	_, _ = rand.Read(p.ticketKey[:]) // which never fails
	p.queue = newQueue()
	p.server = p.newServer()
	served := make(chan error, 1)
	go func() { served <- p.server.Serve(p.queue) }()

	var accepting sync.WaitGroup
	for _, l := range listeners {
		stop := context.AfterFunc(ctx, func() { l.Close() })
		defer stop()
		accepting.Go(func() { p.accept(ctx, l) })
	}
	accepting.Wait()
	cancel()
	p.server.Close()
	p.handlers.Wait() // none begins a flight any more
	p.flights.stop()
	if err := p.git.stop(); err != nil {
		p.Log.Warn("git mirror", "err", err)
	}
	p.conns.Wait()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (p *Proxy) now() time.Time {
	if p.Now != nil {
		return p.Now()
	}
	return time.Now()
}

func (p *Proxy) newServer() *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:        p,
		Protocols:      &protocols,
		TLSConfig:      &tls.Config{NextProtos: []string{"h2", "http/1.1"}},
		HTTP2:          uploads(),
		MaxHeaderBytes: maxHeader,
		IdleTimeout:    idleTimeout,
		ErrorLog:       slog.NewLogLogger(p.Log.Handler(), slog.LevelDebug),
		ConnContext:    connContext,
		ConnState:      p.connState,
	}
}

// uploads is http2Config with room for what clients send, which is read as fast
// as upstream takes it. git hangs when it has filled a window (pushbody.go).
func uploads() *http.HTTP2Config {
	c := http2Config()
	c.MaxReceiveBufferPerStream, c.MaxReceiveBufferPerConnection = 4*streamWindow, 4*connWindow
	return c
}

func http2Config() *http.HTTP2Config {
	return &http.HTTP2Config{
		MaxConcurrentStreams:          250,
		MaxReceiveBufferPerStream:     streamWindow,
		MaxReceiveBufferPerConnection: connWindow,
	}
}

func (p *Proxy) accept(ctx context.Context, l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return
			}
			// Out of descriptors, or a connection that was reset while it
			// waited: the next one may be fine, but not at once.
			p.Log.Warn("accept", "err", err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(10 * time.Millisecond):
			}
			continue
		}
		p.conns.Go(func() { p.serveAccepted(ctx, c) })
	}
}

func (p *Proxy) serveAccepted(ctx context.Context, c net.Conn) {
	addr, err := p.Destination(c)
	if err != nil {
		p.Log.Warn("no destination", "err", err)
		c.Close()
		return
	}
	if p.Local != nil {
		if local := p.Local(addr); len(local) > 0 {
			p.serveLocal(ctx, &conn{Conn: c}, local)
			return
		}
	}
	d := destination{host: addr.Addr().Unmap().String(), port: addr.Port()}
	if p.Name != nil {
		if name := p.Name(addr.Addr()); name != "" {
			d.host = name
		}
	}
	p.serveConn(ctx, &conn{Conn: c, dest: d, stranger: p.Secret != ""})
}

// queue is the listener through which sniffed connections reach http.Server.
type queue struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newQueue() *queue {
	return &queue{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept returns the next sniffed connection.
func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.closed:
		return nil, net.ErrClosed
	}
}

// Close makes Accept fail.
func (q *queue) Close() error {
	q.once.Do(func() { close(q.closed) })
	return nil
}

// Addr is of no use to anyone.
func (q *queue) Addr() net.Addr { return &net.TCPAddr{} }

func (q *queue) push(c net.Conn) {
	select {
	case q.conns <- c:
	case <-q.closed:
		c.Close()
	}
}
