package install

import (
	"bytes"
	"crypto/sha1" // a key is named by its SHA-1 (RFC 4880, 12.2)
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/sorting"
)

// signer is the user id of every key that signs packages of the agent.
// Source: AWS Systems Manager user guide, "Verifying the signature of SSM Agent".
const signer = "ssm-agent-signer@amazon.com"

// knownKeys are the ends of those keys, for keyrings that tell no more than an id.
// Source: the keys themselves; amazon-ecs-ami#377, eks-hybrid#863, amazon-ecs-agent#4992.
var knownKeys = map[string]time.Time{
	"54F4F56E693ECA21": time.Date(2022, 3, 29, 0, 0, 0, 0, time.UTC),
	"DD81A61756BAA549": time.Date(2023, 9, 5, 0, 0, 0, 0, time.UTC),
	"BC1F495C97DD04ED": time.Date(2025, 2, 17, 0, 0, 0, 0, time.UTC),
	"51A8E050D0052E5D": time.Date(2026, 7, 15, 0, 0, 0, 0, time.UTC),
	"2784DBF388D19D46": time.Date(2027, 11, 25, 0, 0, 0, 0, time.UTC),
}

// Bounds of one keyring.
const (
	maxKeyring = 512 << 10
	maxPackets = 2000
	maxFound   = 20
)

// packets walks the packets of binary OpenPGP data and stops at the first that is cut
// or of a form that no key has.
// Source: RFC 4880, 4.2.
func packets(b []byte, visit func(tag byte, body []byte)) {
	for range maxPackets {
		if len(b) < 2 || b[0]&0x80 == 0 {
			return
		}
		head, tag, length := b[0], b[0]&0x3f, 0
		b = b[1:]
		switch {
		case head&0x40 == 0: // old format
			tag = head >> 2 & 0x0f
			size := 1 << (head & 3)
			if size > 4 || len(b) < size {
				return
			}
			for _, x := range b[:size] {
				length = length<<8 | int(x)
			}
			b = b[size:]
		case b[0] < 192:
			length, b = int(b[0]), b[1:]
		case b[0] < 224 && len(b) > 1:
			length, b = (int(b[0])-192)<<8+int(b[1])+192, b[2:]
		case b[0] == 255 && len(b) > 4:
			length, b = int(binary.BigEndian.Uint32(b[1:])), b[5:]
		default:
			return
		}
		if length < 0 || length > len(b) {
			return
		}
		visit(tag, b[:length])
		b = b[length:]
	}
}

// unarmored is the binary form of every block of an armored keyring, or the data as
// they are.
func unarmored(b []byte) [][]byte {
	const begin, end = "-----BEGIN PGP PUBLIC KEY BLOCK-----", "-----END PGP"
	if !bytes.Contains(b, []byte(begin)) {
		return [][]byte{b}
	}
	var out [][]byte
	for rest := string(b); len(out) < maxFound; {
		_, block, ok := strings.Cut(rest, begin)
		if !ok {
			return out
		}
		block, rest, _ = strings.Cut(block, end)
		var text strings.Builder
		text.Grow(len(block))
		for line := range strings.Lines(block) {
			line = strings.TrimSpace(line)
			if strings.Contains(line, ":") || strings.HasPrefix(line, "=") { // a header, the checksum
				continue
			}
			text.WriteString(line)
		}
		if raw, err := base64.StdEncoding.DecodeString(text.String()); err == nil {
			out = append(out, raw)
		}
	}
	return out
}

// ParseKeyring finds the keys in a keyring that sign packages of the agent: those with
// its signer's name, and those that are known to be.
func ParseKeyring(b []byte) []facts.SigningKey {
	var out []facts.SigningKey
	for _, block := range unarmored(b) {
		var id string
		var made time.Time
		var life time.Duration
		ours := false
		keep := func() {
			if end, known := knownKeys[id]; known || ours && id != "" {
				k := facts.SigningKey{ID: id, Expires: end}
				if life > 0 {
					k.Expires = gather.SaneTime(made.Add(life))
				}
				if len(out) < maxFound && !slices.ContainsFunc(out, func(o facts.SigningKey) bool { return o.ID == id }) {
					out = append(out, k)
				}
			}
		}
		packets(block, func(tag byte, body []byte) {
			switch {
			case tag == 6: // a public key begins
				keep()
				id, life, ours = "", 0, false
				if len(body) > 5 && body[0] == 4 && len(body) <= 0xffff {
					sum := sha1.Sum(append([]byte{0x99, byte(len(body) >> 8), byte(len(body))}, body...))
					id = strings.ToUpper(hex.EncodeToString(sum[12:]))
					made = time.Unix(int64(binary.BigEndian.Uint32(body[1:])), 0).UTC()
				}
			case tag == 13 && id != "":
				ours = ours || bytes.Contains(body, []byte(signer))
			case tag == 2 && id != "":
				if d := keyLife(body); d > 0 {
					life = d
				}
			}
		})
		keep()
	}
	return out
}

// keyLife is how long a signature says that its key is valid; 0: it does not say.
// Source: RFC 4880, 5.2.3.6.
func keyLife(sig []byte) time.Duration {
	if len(sig) < 6 || sig[0] != 4 {
		return 0
	}
	n := int(binary.BigEndian.Uint16(sig[4:]))
	hashed := sig[6:]
	if n > len(hashed) {
		return 0
	}
	for hashed = hashed[:n]; len(hashed) > 1; {
		size, skip := int(hashed[0]), 1
		switch {
		case size == 255 && len(hashed) > 5:
			size, skip = int(binary.BigEndian.Uint32(hashed[1:])), 5
		case size >= 192 && len(hashed) > 2:
			size, skip = (size-192)<<8+int(hashed[1])+192, 2
		}
		if size < 1 || size > len(hashed)-skip {
			return 0
		}
		if body := hashed[skip : skip+size]; body[0]&0x7f == 9 && len(body) == 5 {
			return time.Duration(binary.BigEndian.Uint32(body[1:])) * time.Second
		}
		hashed = hashed[skip+size:]
	}
	return 0
}

// rpmKeys reads lines "gpg-pubkey VERSION" of rpm: the last 8 digits of a key's id, or
// from rpm 6 on the whole fingerprint. Only the agent's keys are kept.
func rpmKeys(out []byte) []facts.SigningKey {
	var found []facts.SigningKey
	gather.Lines(out, func(line []byte) bool {
		name, v, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		if v = strings.ToUpper(v); name != "gpg-pubkey" || len(v) < 8 || len(v) > 64 {
			return true
		}
		for id, end := range knownKeys {
			if strings.HasSuffix(id, v) || strings.HasSuffix(v, id) {
				found = append(found, facts.SigningKey{ID: id, Expires: end, From: "rpm -q gpg-pubkey"})
			}
		}
		return len(found) < maxFound
	})
	sorting.By(found, func(a, b facts.SigningKey) int { return a.Expires.Compare(b.Expires) })
	return found
}
