package gather_test

import (
	"encoding/binary"
	"testing"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
)

// structure is one of SMBIOS with its texts.
func structure(kind byte, fields []byte, texts ...string) []byte {
	b := append([]byte{kind, byte(4 + len(fields)), 0, 0}, fields...)
	for _, t := range texts {
		b = append(append(b, t...), 0)
	}
	if len(texts) == 0 {
		b = append(b, 0)
	}
	return append(b, 0)
}

// rsmb is the table as Windows hands it out.
func rsmb(major, minor byte, structures ...[]byte) []byte {
	var all []byte
	for _, s := range structures {
		all = append(all, s...)
	}
	return append(binary.LittleEndian.AppendUint32([]byte{0, major, minor, 0}, uint32(len(all))), all...)
}

var (
	nitro = rsmb(2, 7, structure(0, make([]byte, 20), "Amazon EC2", "1.0"),
		structure(1, append([]byte{1, 2, 0, 3}, append([]byte{0x2c, 0x1b, 0x2a, 0xec, 0x44, 0x33, 0x22, 0x11, 1, 2, 3, 4, 5, 6, 7, 8}, 6, 0, 0)...), "Amazon EC2", "t3.small", "ec2a1b2c"),
		structure(2, []byte{1, 0, 0, 0, 2}, "Amazon EC2", "i-0123456789abcdef0"), structure(3, []byte{1, 1, 0, 0, 2}, "Amazon EC2", "Amazon EC2"), structure(127, nil))
	bare = rsmb(3, 0, structure(1, append([]byte{0, 0, 0, 0}, append(make([]byte, 16), 0, 0, 0)...)), structure(127, nil))
)

func TestParseFirmware(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		table []byte
		ok    bool
		want  gather.Firmware
	}{
		"an instance":   {nitro, true, gather.Firmware{Product: "t3.small", AssetTag: "i-0123456789abcdef0", Chassis: "Amazon EC2", UUID: "EC2A1B2C-3344-1122-0102-030405060708"}},
		"without texts": {bare, true, gather.Firmware{}},
		"cut":           {nitro[:40], false, gather.Firmware{}},
		"empty":         {nil, false, gather.Firmware{}},
		"no structure":  {rsmb(2, 7, []byte{1, 2}), false, gather.Firmware{}},
	} {
		if got, ok := gather.ParseFirmware(c.table); got != c.want || ok != c.ok {
			t.Errorf("%s: %+v %v", name, got, ok)
		}
	}
	// Before 2.6 all numbers of a UUID are big-endian.
	old := rsmb(2, 4, structure(1, append([]byte{0, 0, 0, 0}, append([]byte{0xec, 0x2a, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}, 0, 0, 0)...)))
	if got, _ := gather.ParseFirmware(old); got.UUID != "EC2A0102-0304-0506-0708-090A0B0C0D0E" {
		t.Error(got)
	}
}

func FuzzFirmware(f *testing.F) {
	f.Add(nitro)
	f.Add(bare)
	f.Fuzz(func(t *testing.T, b []byte) {
		got, _ := gather.ParseFirmware(b)
		gathertest.Sound(t, got)
	})
}
