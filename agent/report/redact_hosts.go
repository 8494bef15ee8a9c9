package report

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"ssm-doctor/checks/pattern"
)

// reDNS finds names of hosts: the private names that EC2 gives out, and names
// under a top-level domain in use. File names and Go identifiers do not end in one.
var reDNS = pattern.New(`(?i)\bip-(?:[0-9]{1,3}-){3}[0-9]{1,3}(?:\.[a-z0-9-]+)*\b|` +
	`\b(?:[a-z0-9_](?:[a-z0-9_-]{0,62})\.)+(?:com|net|org|info|biz|io|dev|app|cloud|edu|gov|mil|int|aws|internal|local|localdomain|lan|corp|intra|intranet|private|home|test|example|invalid|` +
	`at|au|be|br|ca|ch|cn|cz|de|dk|es|eu|fi|fr|hk|ie|il|in|it|jp|kr|mx|nl|no|nz|pl|pt|ru|se|sg|tr|tw|ua|uk|us|za)\b`)

var awsDomains = []string{"amazonaws.com", "amazonaws.com.cn", "aws", "amazon.com", "amazontrust.com", "aws.dev", "amazonaws.eu", "c2s.ic.gov", "sc2s.sgov.gov", "csp.hci.ic.gov", "cloud.adc-e.uk",
	"amazonses.com", "ssm-doctor.dev"}

// awsPrivate are host names that EC2 makes of an address; the rest of these
// domains says only the Region.
var awsPrivate = pattern.New(`(?i)^(?:ip|ec2)-[0-9]+-`)

func ownedByAWS(name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	for _, d := range awsDomains {
		if name == d || strings.HasSuffix(name, "."+d) {
			return true
		}
	}
	return strings.HasSuffix(name, ".compute.internal") || name == "compute.internal" || name == "ec2.internal" || strings.HasSuffix(name, ".ec2.internal")
}

func (d *redactor) host(name string) string {
	if awsPrivate.MatchString(name) {
		return d.marked("host", strings.TrimSuffix(strings.ToLower(name), "."))
	}
	if ownedByAWS(name) {
		return name
	}
	return d.marked("host", name)
}

// reURLHost finds hosts by where they stand, whatever they are called.
var reURLHost = pattern.New(`(?i)(?:\b[a-z][a-z0-9+.-]*://(?:[^\s/@"'<>]*@)?|\blookup )([a-z0-9_](?:[a-z0-9._-]*[a-z0-9])?)\b`)

// maybeHost is a cheap test for what reURLHost finds.
func maybeHost(low string) bool {
	return strings.Contains(low, "://") || strings.Contains(low, "lookup ")
}

// hostAt is host for a word that must be one, but for addresses, which have
// their own way, this host itself and placeholders.
func (d *redactor) hostAt(name string) string {
	if _, err := netip.ParseAddr(name); err == nil || strings.EqualFold(name, "localhost") || name == strings.ToUpper(name) {
		return name
	}
	return d.host(name)
}

// reMAC finds hardware addresses; longer rows of bytes are fingerprints.
var reMAC = pattern.New(`(?i)(^|[^0-9a-z:])(?:[0-9a-f]{2}:){5}[0-9a-f]{2}($|[^0-9a-z:])`)

// reAddress finds what may be an address; the parser decides.
var reAddress = pattern.New(`(?i)\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b|(?:\b[0-9a-f]{1,4}|:)(?::[0-9a-f]{0,4}){2,7}(?:(?:[0-9]{1,3}\.){3}[0-9]{1,3})?`)

func (d *redactor) addresses(s string, whole bool) string {
	s = reMAC.ReplaceAllString(s, "${1}mac-address${2}")
	found := reAddress.FindAllStringIndex(s, -1)
	if found == nil {
		return s
	}
	var b strings.Builder
	end := 0
	for _, at := range found {
		a, err := netip.ParseAddr(s[at[0]:at[1]])
		if err != nil || publicKnowledge(a) || numbersGoOn(s, at) || !whole && versionLike(s, at, a) {
			continue
		}
		b.WriteString(s[end:at[0]])
		b.WriteString(d.address(a.Unmap()))
		end = at[1]
	}
	return b.String() + s[end:]
}

// numbersGoOn reports whether dotted numbers are part of something longer.
func numbersGoOn(s string, at []int) bool {
	if at[0] > 0 && (s[at[0]-1] == '.' || s[at[0]-1] == '_') {
		return true
	}
	rest := s[at[1]:]
	if strings.Contains(s[at[0]:at[1]], ":") { // IPv6: "eu-central-1::document" holds none
		return at[0] > 0 && wordOrDash(s[at[0]-1]) || rest != "" && wordOrDash(rest[0])
	}
	return len(rest) > 1 && rest[0] == '.' && rest[1] >= '0' && rest[1] <= '9'
}

func wordOrDash(b byte) bool {
	return b == '-' || b == '_' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

// versionLike tells a version of the agent, such as 3.3.40.0, from an address:
// there is no port or prefix length behind it and no word of networking before it.
func versionLike(s string, at []int, a netip.Addr) bool {
	if !a.Is4() || a.As4()[0] == 0 || a.As4()[0] > 3 || a.As4()[1] > 9 {
		return false
	}
	if rest := s[at[1]:]; rest != "" && (rest[0] == ':' && len(rest) > 1 && rest[1] != ' ' || rest[0] == '/') {
		return false
	}
	return !reTowards.MatchString(strings.ToLower(s[max(0, at[0]-24):at[0]]))
}

var reTowards = pattern.New(`(?:tcp|udp|dial|connect(?:ion)?|address|addresses|host|via|lookup|peer|gateway|resolver|server|ip|src|dst|to|on|->|=|@|//)[ :=\["'(]{0,3}$`)

// addressFields hold addresses only.
var addressFields = map[string]bool{
	"Address": true, "Addresses": true, "A": true, "AAAA": true, "Server": true, "Servers": true, "Pinned": true, "Source": true, "Gateway": true,
	"Local": true, "Remote": true, "Destination": true, "CIDR": true, "Host": true,
}

// publicKnowledge are addresses that are the same for everybody.
func publicKnowledge(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() || awsLinkLocal.Contains(a) || ec2Local.Contains(a) || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) ||
		a.Is4() && (a.As4()[0] == 0 || a.As4()[0] == 255)
}

var (
	awsLinkLocal = netip.MustParsePrefix("169.254.169.0/24") // metadata, resolver, time
	ecsLocal     = netip.MustParsePrefix("169.254.170.0/24") // task metadata
	ec2Local     = netip.MustParsePrefix("fd00:ec2::/32")
	shared       = netip.MustParsePrefix("100.64.0.0/10")
)

// addressKind is what matters of an address.
func addressKind(a netip.Addr) string {
	kind := "public"
	switch {
	case a.IsLinkLocalUnicast():
		kind = "link-local"
	case a.IsPrivate() || shared.Contains(a):
		kind = "private"
	}
	if a.Is6() {
		return kind + "-ipv6"
	}
	return kind + "-ip"
}

// numbered names addresses by kind and order of appearance; a hash would give
// the address away, there are too few of them.
func numbered() func(netip.Addr) string {
	seen := map[netip.Addr]string{}
	count := map[string]int{}
	return func(a netip.Addr) string {
		if ecsLocal.Contains(a) {
			return a.String()
		}
		if seen[a] == "" {
			kind := addressKind(a)
			count[kind]++
			seen[a] = fmt.Sprintf("%s-%d", kind, count[kind])
		}
		return seen[a]
	}
}

// shuffled maps addresses to others so that two addresses share as long a
// prefix after as before. The bits that make the kind stay: of public IPv4
// addresses the first 16.
func shuffled(key []byte) func(netip.Addr) string {
	return func(a netip.Addr) string {
		if ecsLocal.Contains(a) {
			return a.String()
		}
		b := a.AsSlice()
		keep := 16
		switch {
		case a.Is6() && a.IsPrivate():
			keep = 8
		case a.Is4() && b[0] == 10:
			keep = 8
		case a.Is4() && (b[0] == 172 && a.IsPrivate() || shared.Contains(a)):
			keep = 12
		}
		out := append([]byte(nil), b...)
		for i := keep; i < len(b)*8; i++ {
			h := sha256.New()
			h.Write(key)
			var head [18]byte // bits before i, then i
			copy(head[:], b[:i/8])
			head[i/8] = b[i/8] &^ (0xff >> (i % 8))
			binary.BigEndian.PutUint16(head[16:], uint16(i))
			h.Write(head[:])
			if h.Sum(nil)[0]&1 == 1 {
				out[i/8] ^= 0x80 >> (i % 8)
			}
		}
		if n, ok := netip.AddrFromSlice(out); ok {
			return n.String()
		}
		return "0.0.0.0"
	}
}
