package logline

import (
	"strings"
	"testing"
)

func TestWhole(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"the flux is too high: 'Zq00xK00wTr8'", `failed "Zq00xK00wTr8`, "a,Zq00xK00wTr8;b&c", "https://proxy.corp/Zq00xK00wTr8/x", "https://proxy.corp/#Zq00xK00wTr8",
		"x Zq00xK00wTr8", "Zq00xK00wTr8", "see T0Zq00xK00wTr8-abc", "(Zq00xK00wTr8)", "k:Zq00xK00wTr8",
	} {
		got := Whole(line)
		if strings.Contains(got, "Zq00x") || !strings.Contains(got, removed) {
			t.Errorf("%q became %q", line, got)
		}
		if again := Whole(got); again != got {
			t.Errorf("%q, again %q", got, again)
		}
	}
	for _, line := range []string{
		"", "AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/App-InstanceRole3CCE2F1D-1A2B3C4D5E6F/i-0123456789abcdef0 is not authorized to perform: ssm:UpdateInstanceInformation",
		"status code: 400, request id: 0f8fad5b-d9cd-469f-a165-70867728950e", "2026-11-22T09:30:00Z i-0123456789abcdef0 on ip-10-20-30-40", "role named Prod2Web", "AROAEXAMPLEROLEID123",
		"run @ agent.go.104", "Encoded authorization failure message: 6YTvPuXpQzFm0tRgeLezV6ffAt0gunVTLw7onLRnrq0bXhWmv3fTqYJb", "amazon-ssm-agent 3.3.4515.0 amd64", "EC2RoleProvider EC2MetadataV2Client",
		"the user's own words of production and web17", "unexpected newEC2IdentityWithConfig", "sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	} {
		if got := Whole(line); got != line {
			t.Errorf("%q became %q", line, got)
		}
	}
}

func FuzzWhole(f *testing.F) {
	for _, s := range []string{"the flux is too high: 'Zq00xK00wTr8'", "https://proxy.corp/Zq00xK00wTr8/x", "arn:aws:iam::111122223333:role/App-InstanceRole3CCE2F1D-1A2B3C4D5E6F", "role named Zq00xK00wTr8"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		once := Whole(line)
		if len(once) > 2*len(line) {
			t.Errorf("%d bytes became %d", len(line), len(once))
		}
		if twice := Whole(once); twice != once {
			t.Errorf("%q, again %q", once, twice)
		}
	})
}
