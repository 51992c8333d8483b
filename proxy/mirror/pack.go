package mirror

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// openPack finds the pack in the answer to a fetch. It is nil when there is
// none: the two sides were still finding out what both have.
func openPack(version int, answer io.Reader) (io.Reader, error) {
	p := newPackets(answer)
	if version == 2 {
		return openPack2(p)
	}
	return openPack0(p)
}

// openPack2 skips the sections before "packfile" (gitprotocol-v2(5), fetch).
func openPack2(p *packets) (io.Reader, error) {
	begins := true
	for {
		k, payload, err := p.next()
		switch {
		case err == io.EOF:
			return nil, nil
		case err != nil:
			return nil, err
		case k != line:
			begins = true
			continue
		case begins && text(payload) == "packfile":
			return &sideband{p: p}, nil
		case begins && text(payload) == "packfile-uris":
			return nil, errors.New("a part of the pack is elsewhere")
		case bytes.HasPrefix(payload, []byte("ERR ")):
			return nil, fmt.Errorf("the server failed: %.200q", payload)
		}
		begins = false
	}
}

// openPack0 skips shallow lines and acknowledgements (gitprotocol-pack(5)). A
// pack without sideband begins where a length would.
func openPack0(p *packets) (io.Reader, error) {
	for {
		head, err := p.r.Peek(5)
		if bytes.HasPrefix(head, []byte("PACK")) {
			return p.r, nil
		}
		if err == nil && head[4] >= bandData && head[4] <= bandError && head[0] != 0 && !bytes.Equal(head[:4], []byte("0000")) {
			return &sideband{p: p}, nil
		}
		_, payload, err := p.next()
		switch {
		case err == io.EOF:
			return nil, nil
		case err != nil:
			return nil, err
		case bytes.HasPrefix(payload, []byte("ERR ")):
			return nil, fmt.Errorf("the server failed: %.200q", payload)
		}
	}
}

// The bands of side-band-64k.
const (
	bandData  = 1
	bandError = 3
)

// sideband reads the data band up to the flush that ends it.
type sideband struct {
	p    *packets
	rest []byte
	done bool
}

func (s *sideband) Read(b []byte) (int, error) {
	for len(s.rest) == 0 {
		if s.done {
			return 0, io.EOF
		}
		k, payload, err := s.p.next()
		switch {
		case err == io.EOF:
			return 0, io.ErrUnexpectedEOF
		case err != nil:
			return 0, err
		case k != line:
			s.done = true
		case len(payload) == 0:
			return 0, fmt.Errorf("%w: no band", errPacket)
		case payload[0] == bandData:
			s.rest = payload[1:]
		case payload[0] == bandError:
			return 0, fmt.Errorf("the server failed: %.200q", payload[1:])
		}
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}
