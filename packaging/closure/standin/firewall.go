//go:build linux

package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// rulesFile holds the rules that the box shows. What they do is done by routes of the
// box, which the driver takes away once a rule lets the same packets out.
const rulesFile = "/usr/lib/lab/rules"

// firewall is iptables or nft as far as steps use them.
func firewall(name string, args []string) error {
	raw, err := os.ReadFile(rulesFile)
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimRight(string(raw), "\n"), "\n")
	said := strings.Join(args, " ")
	first := func(prefix string) int {
		return slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(strings.TrimSpace(l), prefix) })
	}
	switch {
	case name == "iptables" && len(args) > 3 && args[0] == "-I":
		rest := args[2:]
		if rest[0] == "1" {
			rest = rest[1:]
		}
		at := first("-A " + args[1] + " ")
		if at < 0 {
			at = len(lines)
		}
		lines = slices.Insert(lines, at, "-A "+args[1]+" "+strings.Join(rest, " "))
	case name == "iptables" && len(args) > 2 && args[0] == "-D":
		at := slices.Index(lines, "-A "+strings.Join(args[1:], " "))
		if at < 0 {
			return fmt.Errorf("iptables: Bad rule (does a matching rule exist in that chain?).")
		}
		lines = slices.Delete(lines, at, at+1)
	case name == "nft" && strings.HasPrefix(said, "insert rule "):
		rule := strings.Join(args[5:], " ")
		at := first("type filter hook")
		lines = slices.Insert(lines, at+1, "\t\t"+rule)
	case name == "iptables" && strings.HasPrefix(said, "-S"), name == "nft" && strings.Contains(said, "list"):
		fmt.Println(strings.Join(lines, "\n"))
		return nil
	default:
		return fmt.Errorf("%s: not simulated: %s", name, said)
	}
	return os.WriteFile(rulesFile, []byte(strings.Join(lines, "\n")+"\n"), 0o644)
}
