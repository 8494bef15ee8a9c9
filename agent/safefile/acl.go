package safefile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What follows judges owners and access lists of Windows. It is plain data, so that it
// is the same, and tested, everywhere.

// Whose hands a file of Windows may be in: who has these could replace everything.
const (
	sidSystem           = "S-1-5-18"
	sidAdministrators   = "S-1-5-32-544"
	sidTrustedInstaller = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464" // owns the files of Windows itself
	sidCreatorOwner     = "S-1-3-0"                                                        // who makes a file, in what is handed down
	sidOwnerRights      = "S-1-3-4"                                                        // the owner, who is looked at anyway
)

// Rights of files and folders. Source: Windows SDK, winnt.h.
const (
	rightWrite       = 0x2 // write to a file, make a file in a folder
	rightAppend      = 0x4 // add to a file, make a folder in a folder
	rightDeleteChild = 0x40
	rightDelete      = 0x1_0000
	rightDAC         = 0x4_0000
	rightOwner       = 0x8_0000
	rightAll         = 0x1000_0000
	rightWriteAll    = 0x4000_0000

	// rightsHold are those to give a file, or a folder, other content or other rights by
	// taking it away.
	rightsHold = rightDelete | rightDAC | rightOwner | rightAll
	// rightsChange are those to change a file.
	rightsChange = rightsHold | rightWrite | rightAppend | rightWriteAll
	// rightsSwap are those to put something else into the place of what lies in a folder.
	rightsSwap = rightDeleteChild | rightDAC | rightOwner | rightAll
)

// Flags of an entry of an access list.
const (
	aceForFiles    = 0x1 // handed down to files
	aceInheritOnly = 0x8 // only handed down
)

// entry of an access list allows, or denies, somebody something.
type entry struct {
	sid    string
	rights uint32
	flags  byte
	denies bool
}

// security is the owner of a file or folder, and who may do what with it.
type security struct {
	owner  string
	open   bool // there is no access list: anybody may do anything
	allows []entry
	list   []entry // what allows and what denies, in order
}

var errDescriptor = errors.New("the owner and the access list have a form that is not known")

// maxEntries is more than an access list of 64 KiB can have.
const maxEntries = 64 << 10 / 8

// parseSecurity reads a security descriptor with relative offsets.
// Source: Windows protocols, MS-DTYP 2.4.2 to 2.4.6.
func parseSecurity(b []byte) (security, error) {
	const present, relative = 0x4, 0x8000
	var s security
	if len(b) < 20 || b[0] != 1 {
		return s, errDescriptor
	}
	control := binary.LittleEndian.Uint16(b[2:])
	owner, dacl := binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[16:])
	if control&relative == 0 {
		return s, errDescriptor
	}
	var ok bool
	if s.owner, ok = sidAt(b, owner); !ok {
		return s, errDescriptor
	}
	if control&present == 0 || dacl == 0 {
		s.open = true
		return s, nil
	}
	if uint64(dacl)+8 > uint64(len(b)) {
		return s, errDescriptor
	}
	list := b[dacl:]
	size, count := int(binary.LittleEndian.Uint16(list[2:])), int(binary.LittleEndian.Uint16(list[4:]))
	if size < 8 || size > len(list) || count > maxEntries {
		return s, errDescriptor
	}
	list = list[8:size]
	for range count {
		if len(list) < 4 {
			return s, errDescriptor
		}
		n := int(binary.LittleEndian.Uint16(list[2:]))
		if n < 4 || n > len(list) {
			return s, errDescriptor
		}
		e, counts, err := parseEntry(list[:n])
		if err != nil {
			return s, err
		}
		if counts {
			s.list = append(s.list, e)
		}
		if counts && !e.denies {
			s.allows = append(s.allows, e)
		}
		list = list[n:]
	}
	return s, nil
}

// parseEntry reads an entry; one of audits and labels, or that denies something under a
// condition or of a kind of object, does not count.
func parseEntry(b []byte) (e entry, counts bool, err error) {
	at := 8
	switch b[0] {
	case 0, 1, 9: // allowed, also with a condition; denied
	case 5, 11: // allowed for a kind of object
		if len(b) < 12 {
			return e, false, errDescriptor
		}
		at = 12
		for flag := binary.LittleEndian.Uint32(b[8:]) & 3; flag != 0; flag >>= 1 {
			at += 16 * int(flag&1)
		}
	case 6, 10, 12, 2, 3, 7, 8, 13, 14, 15, 16, 17, 18, 19, 20, 21:
		return e, false, nil
	default:
		return e, false, errDescriptor
	}
	if len(b) < 8 {
		return e, false, errDescriptor
	}
	sid, ok := sidAt(b, uint32(at))
	if !ok {
		return e, false, errDescriptor
	}
	return entry{sid, binary.LittleEndian.Uint32(b[4:]), b[1], b[0] == 1}, true, nil
}

// sidAt reads the name of a user or group at an offset.
func sidAt(b []byte, at uint32) (string, bool) {
	if at == 0 || uint64(at)+8 > uint64(len(b)) {
		return "", false
	}
	b = b[at:]
	n := int(b[1])
	if b[0] != 1 || n > 15 || len(b) < 8+4*n {
		return "", false
	}
	authority := uint64(0)
	for _, c := range b[2:8] {
		authority = authority<<8 | uint64(c)
	}
	s := fmt.Sprintf("S-1-%d", authority)
	for i := range n {
		s += fmt.Sprintf("-%d", binary.LittleEndian.Uint32(b[8+4*i:]))
	}
	return s, true
}

// circle are those whose hands something may be in besides administrators.
type circle []string

func (c circle) has(sid string) bool {
	return sid == sidSystem || sid == sidAdministrators || sid == sidTrustedInstaller || slices.Contains(c, sid)
}

// who says who else has one of the rights; empty: nobody.
func (s security) who(rights uint32, c circle) string {
	if s.open {
		return "it has no access list, so anybody may change it"
	}
	for _, e := range s.allows {
		if e.flags&aceInheritOnly == 0 && e.rights&rights != 0 && e.sid != sidOwnerRights && !c.has(e.sid) {
			return e.sid + " may change it"
		}
	}
	return ""
}

// heir says who else may change files that are made in a folder; empty: nobody. They
// belong to who makes them.
func (s security) heir(c circle) string {
	for _, e := range s.allows {
		if e.flags&aceForFiles != 0 && e.rights&rightsChange != 0 && e.sid != sidCreatorOwner && e.sid != sidOwnerRights && !c.has(e.sid) {
			return e.sid + " may change files that are made in it"
		}
	}
	return ""
}

// foreign says that something belongs to somebody else; empty: it does not.
func (s security) foreign(c circle) string {
	if c.has(s.owner) {
		return ""
	}
	return "it belongs to " + s.owner
}

// place is what is found under a name.
type place struct {
	folder bool
	link   bool
	target string // of a link
	security
}

// follow returns a path without links. Each folder, link and file on the way is judged
// before what lies in it is looked at, from the root of the drive on.
func follow(name string, look func(name string) (place, error), judge func(name string, p place, last bool) error) (string, error) {
	name = strings.TrimPrefix(strings.ReplaceAll(name, "/", `\`), `\\?\`)
	if !onDrive(name) || strings.Contains(name[2:], ":") {
		return "", refuse(name, "not an absolute path on a drive of this host")
	}
	at, rest, links := "", split(name), 0
	for len(rest) > 0 {
		next := at + rest[0]
		if at != "" {
			next = strings.TrimSuffix(at, `\`) + `\` + rest[0]
		}
		rest = rest[1:]
		p, err := look(next)
		if err != nil {
			return "", err
		}
		if err := judge(next, p, len(rest) == 0 && !p.link); err != nil {
			return "", err
		}
		if !p.link {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return "", refuse(name, "too many levels of links")
		}
		to := strings.ReplaceAll(p.target, "/", `\`)
		if !strings.HasPrefix(to, `\`) && !strings.Contains(to, ":") {
			to = strings.TrimSuffix(at, `\`) + `\` + to
		}
		if to = strings.TrimPrefix(strings.TrimPrefix(to, `\\?\`), `\??\`); !onDrive(to) {
			return "", refuse(next, "a link that does not lead to a drive of this host")
		}
		at, rest = "", append(split(to), rest...)
	}
	return at, nil
}

// onDrive reports whether a path begins at the root of a drive.
func onDrive(name string) bool {
	return len(name) >= 3 && (name[0]|0x20 >= 'a' && name[0]|0x20 <= 'z') && name[1] == ':' && name[2] == '\\'
}

// split takes a path on a drive apart: its root, and each part. A part "..", which
// follows a link that leads up, takes the one before it away.
func split(name string) []string {
	out := []string{name[:3]}
	for c := range strings.SplitSeq(name[3:], `\`) {
		switch {
		case c == "" || c == ".":
		case c == "..":
			out = out[:max(len(out)-1, 1)]
		default:
			out = append(out, c)
		}
	}
	return out
}

// wanted is what lies at the end of a way.
type wanted int

const (
	aFile    wanted = iota
	aProgram        // finds libraries in its folder, so nobody else may make files there
	aFolder         // into which nobody else may put anything
)

// onlyAdmins judges the way to something: no one else could have replaced it, on any part
// of the way.
func onlyAdmins(c circle, want wanted) func(name string, p place, last bool) error {
	const rightsFill = rightsSwap | rightWrite | rightAppend | rightWriteAll
	var in place
	var inName string
	judge := func(name string, p place, rights uint32) error {
		why := p.foreign(c)
		if why == "" {
			why = p.who(rights, c)
		}
		if why != "" {
			return refuse(name, "others than administrators could have put something else there: %s", why)
		}
		return nil
	}
	return func(name string, p place, last bool) error {
		rights := uint32(rightsHold | rightsSwap)
		switch {
		case p.link || last && !p.folder:
			rights = rightsChange
		case last && want == aFolder:
			rights = rightsHold | rightsFill
		case last:
			return refuse(name, "not a regular file but a folder")
		case len(name) == 3: // nobody takes the root of a drive away
			rights = rightsSwap
		}
		if last && want == aFolder && !p.folder {
			return refuse(name, "not a folder")
		}
		if last && want == aProgram {
			if err := judge(inName, in, rightsFill); err != nil {
				return err
			}
		}
		in, inName = p, name
		return judge(name, p, rights)
	}
}

// ownLinks judges the way to a folder that is written to: a link is followed where nobody
// else could have put it, or put another in its place.
func ownLinks(c circle) func(name string, p place, last bool) error {
	var in place
	return func(name string, p place, _ bool) error {
		if p.link && (p.foreign(c) != "" || p.who(rightsChange, c) != "" || in.foreign(c) != "" || in.who(rightsSwap, c) != "") {
			return refuse(name, "a link that others could have put there; it is not followed")
		}
		in = p
		return nil
	}
}

// forWriting judges a folder that a file is made in. As in a sticky folder, others may
// make files of their own in it.
func forWriting(name string, s security, c circle) error {
	why := s.who(rightsSwap, append(slices.Clone(c), s.owner))
	if why == "" {
		why = s.heir(append(slices.Clone(c), s.owner))
	}
	if why != "" {
		return refuse(name, "not written there: %s; write to a folder of your own", why)
	}
	return nil
}
