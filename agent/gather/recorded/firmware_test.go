package recorded

import (
	"testing"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/gathertest"
)

// TestFirmware: of the firmware is kept what tells the clouds apart. Companies write
// numbers of their own into asset tags.
func TestFirmware(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ in, want gather.Firmware }{
		"an instance": {gather.Firmware{Product: "t3.small", AssetTag: "i-0123456789abcdef0", Chassis: "Amazon EC2", UUID: "EC2A1B2C-3344-1122-0102-030405060708"},
			gather.Firmware{Product: "t3.small", AssetTag: "i-0123456789abcdef0", Chassis: "Amazon EC2", UUID: "ec200000-0000-0000-0000-000000000000"}},
		"the same, little-endian": {gather.Firmware{AssetTag: "i-01234567", UUID: "2C1B2AEC-3344-1122-0102-030405060708"},
			gather.Firmware{AssetTag: "i-01234567", UUID: "ec200000-0000-0000-0000-000000000000"}},
		"of Azure": {gather.Firmware{Product: "Virtual Machine", Chassis: "7783-7084-3265-9085-8269-3286-77", UUID: "4d3c2b1a-3344-1122-0102-030405060708"},
			gather.Firmware{Product: "Virtual Machine", Chassis: "7783-7084-3265-9085-8269-3286-77", UUID: "00000000-0000-0000-0000-000000000000"}},
		"of a company":  {gather.Firmware{AssetTag: "i-inventory-4711", Chassis: "ACME-0004711", UUID: "4d3c"}, gather.Firmware{UUID: "00000000-0000-0000-0000-000000000000"}},
		"with a number": {gather.Firmware{AssetTag: "i-4711", Chassis: "4711"}, gather.Firmware{}},
		"nothing":       {},
	} {
		if got := firmware(tt.in); got != tt.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
	env := gathertest.New(t, nil, func(*gather.Env) {})
	for name, files := range map[string]map[string]string{
		"chassis_asset_tag": {"ACME-0004711\n": "", "OracleCloud.com\n": "OracleCloud.com\n"},
		"board_asset_tag":   {"i-inventory\n": "", "i-0123456789abcdef0\n": "i-0123456789abcdef0\n"},
		"sys_vendor":        {"Amazon EC2\n": "Amazon EC2\n"},
	} {
		for in, want := range files {
			if got := string(contentOf("sys/class/dmi/id/"+name, env)([]byte(in))); got != want {
				t.Errorf("%s: %q became %q", name, in, got)
			}
		}
	}
	for _, name := range []string{"product_uuid", "product_serial", "chassis_serial"} {
		if contentOf("sys/class/dmi/id/"+name, env) != nil {
			t.Errorf("%s is kept", name)
		}
	}
}
