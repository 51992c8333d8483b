package mirror

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// kind is what a pkt-line is (gitprotocol-common(5), gitprotocol-v2(5)).
type kind int

const (
	line kind = iota
	flush
	delim
	responseEnd
)

// maxPacket is LARGE_PACKET_MAX, length included.
const maxPacket = 65520

var errPacket = errors.New("malformed pkt-line")

// packets reads pkt-lines. The payload of one is valid until the next is read.
type packets struct {
	r   *bufio.Reader
	buf [maxPacket]byte
}

func newPackets(r io.Reader) *packets { return &packets{r: bufio.NewReaderSize(r, 64<<10)} }

// next gives io.EOF at an end between two packets only.
func (p *packets) next() (kind, []byte, error) {
	head := p.buf[:4]
	if _, err := io.ReadFull(p.r, head); err != nil {
		return 0, nil, err
	}
	n, err := strconv.ParseUint(string(head), 16, 16)
	switch {
	case err != nil || n == 3 || n > maxPacket:
		return 0, nil, fmt.Errorf("%w: length %q", errPacket, head)
	case n < 3:
		return [...]kind{flush, delim, responseEnd}[n], nil, nil
	}
	payload := p.buf[:n-4]
	if _, err := io.ReadFull(p.r, payload); err != nil {
		return 0, nil, io.ErrUnexpectedEOF
	}
	return line, payload, nil
}

// text is a line without the newline that its sender may leave out.
func text(payload []byte) string {
	if n := len(payload); n > 0 && payload[n-1] == '\n' {
		payload = payload[:n-1]
	}
	return string(payload)
}

func appendLine(b []byte, s string) []byte {
	return append(fmt.Appendf(b, "%04x", len(s)+4), s...)
}
