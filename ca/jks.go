package ca

import (
	"bytes"
	"crypto/sha1" // part of the format; it secures nothing
	"encoding/binary"
	"slices"
)

// The JKS format (JDK, sun/security/provider/JavaKeyStore.java): magic and version,
// the number of entries, the entries, and a digest.
const (
	jksCountAt = 8
	jksHeader  = 12
	jksTrusted = 2 // an entry's tag: a certificate, without a key
	jksType    = "X.509"
)

// addToJKS adds certificates to a JKS store of certificates alone, whose entries stay
// as they are. The result is JKS; ok is false for a store of anything else. (To take
// the store apart and write it anew takes four times as long, and three times the
// memory, and every run on a machine with a JDK does it.)
func addToJKS(store []byte, ders [][]byte) (out []byte, ok bool) {
	if len(store) < jksHeader+sha1.Size || !bytes.HasPrefix(store, []byte{0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2}) {
		return nil, false
	}
	entries := store[jksHeader : len(store)-sha1.Size]
	count := binary.BigEndian.Uint32(store[jksCountAt:])
	var has [][]byte
	rest := jksReader(entries)
	for range count {
		tag, _, _, kind, der := rest.number(), rest.text(), rest.take(8), rest.text(), rest.take(int(rest.number()))
		if tag != jksTrusted || string(kind) != jksType || !hasShape(der) {
			return nil, false
		}
		has = append(has, der)
	}
	if len(rest) > 0 {
		return nil, false
	}
	out = append(make([]byte, 0, len(store)+4<<10), store[:len(store)-sha1.Size]...)
	for _, der := range ders {
		if slices.ContainsFunc(has, func(h []byte) bool { return bytes.Equal(h, der) }) {
			continue
		}
		has = append(has, der)
		out = appendJKS(out, der)
		count++
	}
	binary.BigEndian.PutUint32(out[jksCountAt:], count)
	return append(out, jksDigest(out)...), true
}

// appendJKS appends an entry: tag, alias, time, type and certificate. The time is a
// fixed one, as the same certificates make the same file.
func appendJKS(out, der []byte) []byte {
	text := func(s string) {
		out = append(binary.BigEndian.AppendUint16(out, uint16(len(s))), s...)
	}
	out = binary.BigEndian.AppendUint32(out, jksTrusted)
	text(digest(der))
	out = binary.BigEndian.AppendUint64(out, 0)
	text(jksType)
	return append(binary.BigEndian.AppendUint32(out, uint32(len(der))), der...)
}

// jksReader is what is left of the entries. What is not there is empty, or 0.
type jksReader []byte

func (r *jksReader) take(n int) []byte {
	if n < 0 || n > len(*r) {
		*r = nil
		return nil
	}
	b := (*r)[:n]
	*r = (*r)[n:]
	return b
}

func (r *jksReader) number() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *jksReader) text() []byte {
	if b := r.take(2); b != nil {
		return r.take(int(binary.BigEndian.Uint16(b)))
	}
	return nil
}

// jksDigest is what a store that is written with javaPassword ends with.
func jksDigest(data []byte) []byte {
	h := sha1.New()
	for _, c := range []byte(javaPassword) {
		h.Write([]byte{0, c}) // UTF-16
	}
	h.Write([]byte("Mighty Aphrodite"))
	h.Write(data)
	return h.Sum(nil)
}
