package gather

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Firmware is what SMBIOS says of a machine. A text that is not there is empty.
type Firmware struct {
	Product, AssetTag, Chassis string
	UUID                       string // as Windows shows it; empty: none
}

// maxStructures is more than any table has.
const maxStructures = 10_000

// ParseFirmware reads the table RSMB of Windows: a head of 8 bytes, then structures of
// SMBIOS, each with its texts behind it.
// Source: Microsoft, "GetSystemFirmwareTable"; DMTF DSP0134, 6.1, 7.2 to 7.4.
func ParseFirmware(b []byte) (f Firmware, ok bool) {
	if len(b) < 8 {
		return f, false
	}
	major, minor := b[1], b[2]
	n := int64(binary.LittleEndian.Uint32(b[4:]))
	b = b[8:]
	b = b[:min(int64(len(b)), n)]
	for range maxStructures {
		if len(b) < 4 || int(b[1]) < 4 || int(b[1]) > len(b) || b[0] == 127 {
			break
		}
		s := b[:b[1]]
		texts, rest := structureTexts(b[b[1]:])
		text := func(at int) string {
			if at >= len(s) || s[at] == 0 || int(s[at]) > len(texts) {
				return ""
			}
			return OneLine(texts[s[at]-1], 100)
		}
		switch s[0] {
		case 1:
			ok, f.Product = true, text(5)
			if len(s) >= 24 {
				f.UUID = uuidText(s[8:24], major > 2 || major == 2 && minor >= 6)
			}
		case 2:
			f.AssetTag = text(8)
		case 3:
			f.Chassis = text(8)
		}
		b = rest
	}
	return f, ok
}

// structureTexts are the texts behind a structure, which end with an empty one.
func structureTexts(b []byte) (texts []string, rest []byte) {
	for {
		t, after, ok := bytes.Cut(b, []byte{0})
		if !ok {
			return texts, nil
		}
		if len(t) == 0 {
			if len(texts) == 0 { // no text at all is two zeros
				after = bytes.TrimPrefix(after, []byte{0})
			}
			return texts, after
		}
		texts, b = append(texts, string(t)), after
	}
}

// uuidText writes a UUID; swapped: its first three numbers are little-endian.
func uuidText(u []byte, swapped bool) string {
	if len(bytes.Trim(u, "\x00")) == 0 || len(bytes.Trim(u, "\xff")) == 0 {
		return ""
	}
	a, b, c := binary.BigEndian.Uint32(u), binary.BigEndian.Uint16(u[4:]), binary.BigEndian.Uint16(u[6:])
	if swapped {
		a, b, c = binary.LittleEndian.Uint32(u), binary.LittleEndian.Uint16(u[4:]), binary.LittleEndian.Uint16(u[6:])
	}
	return fmt.Sprintf("%08X-%04X-%04X-%04X-%012X", a, b, c, u[8:10], u[10:16])
}
