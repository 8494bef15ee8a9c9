package gathertest

import (
	"encoding/binary"
	"maps"
	"slices"
	"strings"
	"unicode/utf16"
)

// Hive is a file of the registry of Windows that holds keys with values: texts
// (string), lists of texts ([]string), numbers (int) and bytes.
// Source: the format as regparser, hivex and others read it.
func Hive(keys map[string]map[string]any) []byte {
	root := &hiveKey{kids: map[string]*hiveKey{}}
	for _, path := range slices.Sorted(maps.Keys(keys)) {
		at := root
		for c := range strings.SplitSeq(path, `\`) {
			if at.kids[c] == nil {
				at.kids[c] = &hiveKey{name: c, kids: map[string]*hiveKey{}}
			}
			at = at.kids[c]
		}
		at.values = keys[path]
	}
	root.name = "ROOT"
	w := &hiveWriter{bin: make([]byte, 32)}
	at := w.key(root)
	size := (len(w.bin) + 4095) / 4096 * 4096
	bin := append(w.bin, make([]byte, size-len(w.bin))...)
	copy(bin, "hbin")
	binary.LittleEndian.PutUint32(bin[8:], uint32(size))
	head := make([]byte, 4096)
	copy(head, "regf")
	for i, v := range map[int]uint32{4: 7, 8: 7, 20: 1, 24: 5, 32: 1, 36: at, 40: uint32(size), 44: 1} {
		binary.LittleEndian.PutUint32(head[i:], v)
	}
	return append(head, bin...)
}

type hiveKey struct {
	name   string
	values map[string]any
	kids   map[string]*hiveKey
}

type hiveWriter struct{ bin []byte }

// cell writes a cell and returns where it is, from the first bin on.
func (w *hiveWriter) cell(data []byte) uint32 {
	at := uint32(len(w.bin))
	size := (len(data) + 4 + 7) / 8 * 8
	c := make([]byte, size)
	binary.LittleEndian.PutUint32(c, uint32(-int32(size)))
	copy(c[4:], data)
	w.bin = append(w.bin, c...)
	return at
}

const noCell = 0xffffffff

func (w *hiveWriter) key(k *hiveKey) uint32 {
	kids, list := uint32(noCell), []byte{'l', 'h', byte(len(k.kids)), byte(len(k.kids) >> 8)}
	for _, name := range slices.Sorted(maps.Keys(k.kids)) {
		list = binary.LittleEndian.AppendUint32(list, w.key(k.kids[name]))
		list = binary.LittleEndian.AppendUint32(list, 0) // hash, which nobody checks
	}
	if len(k.kids) > 0 {
		kids = w.cell(list)
	}
	values, list := uint32(noCell), []byte{}
	for _, name := range slices.Sorted(maps.Keys(k.values)) {
		list = binary.LittleEndian.AppendUint32(list, w.value(name, k.values[name]))
	}
	if len(k.values) > 0 {
		values = w.cell(list)
	}
	nk := make([]byte, 76)
	copy(nk, "nk")
	binary.LittleEndian.PutUint16(nk[2:], 0x20) // the name is of bytes
	for at, v := range map[int]uint32{20: uint32(len(k.kids)), 28: kids, 32: noCell, 36: uint32(len(k.values)), 40: values, 44: noCell, 48: noCell} {
		binary.LittleEndian.PutUint32(nk[at:], v)
	}
	binary.LittleEndian.PutUint16(nk[72:], uint16(len(k.name)))
	return w.cell(append(nk, k.name...))
}

func (w *hiveWriter) value(name string, v any) uint32 {
	kind, data := uint32(3), []byte(nil)
	text := func(s string) []byte {
		var b []byte
		for _, u := range utf16.Encode([]rune(s + "\x00")) {
			b = binary.LittleEndian.AppendUint16(b, u)
		}
		return b
	}
	switch v := v.(type) {
	case string:
		kind, data = 1, text(v)
	case []string:
		kind, data = 7, text(strings.Join(v, "\x00")+"\x00")
	case int:
		kind, data = 4, binary.LittleEndian.AppendUint32(nil, uint32(v))
	case []byte:
		data = v
	}
	vk := make([]byte, 20)
	copy(vk, "vk")
	binary.LittleEndian.PutUint16(vk[2:], uint16(len(name)))
	binary.LittleEndian.PutUint16(vk[16:], 1)
	binary.LittleEndian.PutUint32(vk[12:], kind)
	if len(data) <= 4 {
		binary.LittleEndian.PutUint32(vk[4:], uint32(len(data))|0x80000000)
		copy(vk[8:12], data)
	} else {
		binary.LittleEndian.PutUint32(vk[4:], uint32(len(data)))
		binary.LittleEndian.PutUint32(vk[8:], w.cell(data))
	}
	return w.cell(append(vk, name...))
}
