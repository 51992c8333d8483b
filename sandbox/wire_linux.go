package sandbox

import (
	"encoding"
	"encoding/binary"
	"errors"
	"reflect"
)

// Messages cross the link as their values alone, one after the other: both ends are
// one program, and know the types. (encoding/gob describes those in each message,
// and makes itself ready for them in each of the two processes: 0.3 ms of a run's
// start for every kind of message.)

// encode appends a message. Fields that are not exported are left out.
func encode(out []byte, v reflect.Value) []byte {
	if m, ok := v.Interface().(encoding.BinaryAppender); ok { // such as an address
		b, _ := m.AppendBinary(nil) // netip's have no errors
		return append(binary.AppendUvarint(out, uint64(len(b))), b...)
	}
	switch v.Kind() {
	case reflect.Bool:
		if v.Bool() {
			return append(out, 1)
		}
		return append(out, 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return binary.AppendVarint(out, v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return binary.AppendUvarint(out, v.Uint())
	case reflect.String:
		return append(binary.AppendUvarint(out, uint64(v.Len())), v.String()...)
	case reflect.Pointer:
		if v.IsNil() {
			return append(out, 0)
		}
		return encode(append(out, 1), v.Elem())
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice {
			out = binary.AppendUvarint(out, uint64(v.Len()))
		}
		for i := range v.Len() {
			out = encode(out, v.Index(i))
		}
		return out
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				out = encode(out, v.Field(i))
			}
		}
		return out
	}
	panic("sandbox: a message has a " + v.Type().String()) // the tests send them all
}

// wire is what is left of a message. After an error all is zero.
type wire struct {
	rest []byte
	err  error
}

var errCut = errors.New("a message is cut")

// take takes so many bytes.
func (w *wire) take(n uint64) []byte {
	if w.err != nil || n > uint64(len(w.rest)) {
		w.err, w.rest = errCut, nil
		return nil
	}
	b := w.rest[:n]
	w.rest = w.rest[n:]
	return b
}

func (w *wire) uvarint() uint64 {
	u, n := binary.Uvarint(w.rest)
	w.take(uint64(max(n, 0)))
	if n <= 0 {
		w.err = errCut
		return 0
	}
	return u
}

// decode fills a value in.
func (w *wire) decode(v reflect.Value) {
	if m, ok := v.Addr().Interface().(encoding.BinaryUnmarshaler); ok {
		if b := w.take(w.uvarint()); w.err == nil {
			w.err = m.UnmarshalBinary(b)
		}
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(w.uvarint() == 1)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		u := w.uvarint() // as binary.Varint has it
		v.SetInt(int64(u>>1) ^ -int64(u&1))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		v.SetUint(w.uvarint())
	case reflect.String:
		v.SetString(string(w.take(w.uvarint())))
	case reflect.Pointer:
		if w.uvarint() == 1 {
			v.Set(reflect.New(v.Type().Elem()))
			w.decode(v.Elem())
		}
	case reflect.Slice:
		n := w.uvarint()
		if n > uint64(len(w.rest)) { // an element has a byte at least
			w.take(n)
			return
		}
		if n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), int(n), int(n)))
		}
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			w.decode(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				w.decode(v.Field(i))
			}
		}
	}
}
