package report

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ssm-doctor/checks/facts"
)

// lookUps are the commands that print what goes in the place of a word, by the nodes that
// they are for.
func lookUps(of func(command string) bool) map[string]string {
	out := map[string]string{}
	for name, r := range map[string]*Report{
		"":        {},
		"hybrid":  {Node: Node{ID: "mi-0123456789abcdef0"}},
		"ecs":     {Node: Node{Kind: "ecs"}},
		"dhmc":    {Credentials: Credentials{Source: facts.SourceDHMC}},
		"windows": {Node: Node{GOOS: "windows"}},
		"darwin":  {Node: Node{GOOS: "darwin"}},
	} {
		for word := range blanks {
			if says := goesFor(r, word); name == "" || says != blanks[word] {
				for i, command := range strings.Split(says, "`") {
					if i%2 == 1 && of(command) {
						key := strings.TrimSpace(name + " " + word)
						for out[key] != "" {
							key += "+"
						}
						out[key] = command
					}
				}
			}
		}
	}
	return out
}

// TestLookUpsAtAPrompt: a shell at which somebody types takes ! and a word, unless it stands
// in single quotes, for one of the commands before, and then runs nothing.
func TestLookUpsAtAPrompt(t *testing.T) {
	t.Parallel()
	event := regexp.MustCompile(`![^ \t=(]`)
	for key, command := range lookUps(func(string) bool { return true }) {
		if strings.HasPrefix(key, "windows ") { // PowerShell has no such words
			continue
		}
		double, single := false, false
		for i, c := range command {
			switch {
			case c == '"' && !single:
				double = !double
			case c == '\'' && !double:
				single = !single
			case c == '!' && !single && event.MatchString(command[i:min(i+2, len(command))]):
				t.Errorf("%s: a shell takes %q for a command before: %s", key, command[i:min(i+10, len(command))], command)
			}
		}
	}
}

// TestHostLookUps runs the look-ups of a host with its shell, where the programs say what
// those of hosts with more than one of everything say: what is printed is the value alone,
// or a line for each, of which the words beside it say that one is to be taken.
func TestHostLookUps(t *testing.T) {
	t.Parallel()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no POSIX shell here")
	}
	root, bin := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		"/etc/resolv.conf":                           "# made by hand\nsearch corp.example\nnameserver 10.0.0.2\nnameserver\t10.0.0.3\noptions edns0\n",
		"/var/log/amazon/ssm/amazon-ssm-agent.log":   "2026-11-20 10:00:00.0000 INFO [amazon-ssm-agent] amazon-ssm-agent - v3.3.4515.0\n2026-11-20 10:00:00.0000 INFO OS: linux, Arch: amd64\n",
		"/var/log/amazon/ssm/amazon-ssm-agent.log.1": "2026-10-20 10:00:00.0000 INFO [amazon-ssm-agent] amazon-ssm-agent - v3.3.1142.0\n2026-10-21 10:00:00.0000 INFO [amazon-ssm-agent] amazon-ssm-agent - v3.3.1142.0\n",
	} {
		if err := os.MkdirAll(filepath.Dir(root+name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(root+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// By the words of a call; another call fails.
	for call, says := range map[string]string{
		"ip -4 route show default":      "default via 10.0.0.1 dev eth0 proto dhcp src 10.0.0.5 metric 100 \ndefault via 10.9.0.1 dev wlan0 proto dhcp metric 600 \ndefault dev tun0 scope link\n",
		"ip -br link":                   "lo               UNKNOWN        00:00:00:00:00:00 <LOOPBACK,UP,LOWER_UP> \neth0             UP             0a:ff:c3:00:00:01 <BROADCAST,MULTICAST,UP,LOWER_UP> \n",
		"df -P":                         "Filesystem     1024-blocks    Used Available Capacity Mounted on\n/dev/nvme0n1p1     8310764 1714288   6596476      21% /\ntmpfs               471104       0    471104       0% /dev/shm\n",
		"docker ps --format {{.Image}}": "web:1.2\namazon/amazon-ecs-agent:latest\n",
		"systemctl show amazon-ssm-agent -p Environment": "Environment=https_proxy=http://proxy.corp.example:3128 no_proxy=localhost,169.254.169.254 HOME=/root\n",
		"route -n get default":                           "   route to: default\ndestination: default\n       mask: default\n    gateway: 10.0.0.1\n  interface: en0\n",
		"ifconfig -l":                                    "lo0 gif0 en0 en1\n",
	} {
		name, args, _ := strings.Cut(call, " ")
		file, err := os.OpenFile(filepath.Join(bin, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o700)
		if err != nil {
			t.Fatal(err)
		}
		_, err = file.WriteString("#!/bin/sh\n[ \"$*\" = '" + args + "' ] && { cat <<'SAID'\n" + says + "SAID\nexit; }\n")
		if e := file.Close(); err != nil || e != nil {
			t.Fatal(err, e)
		}
	}
	want := map[string]string{
		"GATEWAY":          "10.0.0.1 eth0\n10.9.0.1 wlan0",
		"IMAGE":            "web:1.2\namazon/amazon-ecs-agent:latest",
		"INTERFACE":        "lo               UNKNOWN        00:00:00:00:00:00 <LOOPBACK,UP,LOWER_UP> \neth0             UP             0a:ff:c3:00:00:01 <BROADCAST,MULTICAST,UP,LOWER_UP> ",
		"MOUNT":            "Filesystem     1024-blocks    Used Available Capacity Mounted on\n/dev/nvme0n1p1     8310764 1714288   6596476      21% /\ntmpfs               471104       0    471104       0% /dev/shm",
		"NO_PROXY_LIST":    "localhost,169.254.169.254",
		"RESOLVER":         "10.0.0.2\n10.0.0.3",
		"VERSION":          "3.3.1142.0\n3.3.4515.0",
		"darwin GATEWAY":   "10.0.0.1",
		"darwin INTERFACE": "lo0\ngif0\nen0\nen1",
	}
	all := lookUps(func(command string) bool { return !strings.Contains(command, "aws ") })
	for key, command := range all {
		switch {
		case strings.HasPrefix(command, "ssm-doctor "): // whose answer names it
			continue
		case strings.HasPrefix(key, "windows "): // parsed with the other commands of PowerShell
			continue
		}
		command = strings.NewReplacer("/etc/", root+"/etc/", "/var/", root+"/var/").Replace(replaceWord(command, "INTERFACE", "eth0"))
		cmd := exec.CommandContext(t.Context(), shell, "-c", command)
		cmd.Env = []string{"PATH=" + bin + ":/usr/bin:/bin", "LC_ALL=C"}
		out, err := cmd.Output()
		got := strings.TrimSuffix(string(out), "\n")
		if err != nil || got != want[key] {
			t.Errorf("%s: %v, prints\n%s\nwant\n%s\nof\n%s", key, err, got, want[key], command)
		}
		goos, word, on := strings.Cut(key, " ")
		if !on {
			goos, word = "", key
		}
		before, _, _ := strings.Cut(goesFor(&Report{Node: Node{GOOS: goos}}, word), "`")
		if strings.Contains(got, "\n") != strings.Contains(before, "one of") {
			t.Errorf("%s: %q, and the words are %q", key, got, before)
		}
	}
	for key := range want {
		if all[key] == "" {
			t.Errorf("%s is not looked up any more", key)
		}
	}
}
