package safefile

import (
	"encoding/binary"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
)

const (
	users    = "S-1-5-32-545"
	everyone = "S-1-1-0"
	someone  = "S-1-5-21-1-2-3-1001"
)

// ace is an entry of an access list as Windows writes it.
type ace struct {
	kind, flags byte
	rights      uint32
	sid         string
}

// sidBytes writes the name of a user or group.
func sidBytes(sid string) []byte {
	parts := strings.Split(sid, "-")[2:]
	b := []byte{1, byte(len(parts) - 1), 0, 0, 0, 0, 0, 0}
	for i, p := range parts {
		n, _ := strconv.ParseUint(p, 10, 32)
		if i == 0 {
			b[7] = byte(n)
			continue
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	return b
}

// descriptor writes an owner and an access list; nil: there is none.
func descriptor(owner string, aces []ace) []byte {
	le := binary.LittleEndian
	b := make([]byte, 20)
	b[0] = 1
	le.PutUint16(b[2:], 0x8004)
	le.PutUint32(b[4:], 20)
	b = append(b, sidBytes(owner)...)
	if aces == nil {
		return b
	}
	le.PutUint32(b[16:], uint32(len(b)))
	var list []byte
	for _, a := range aces {
		e := []byte{a.kind, a.flags, 0, 0}
		e = le.AppendUint32(e, a.rights)
		if a.kind == 5 || a.kind == 11 { // for one kind of object
			e = append(le.AppendUint32(e, 1), make([]byte, 16)...)
		}
		e = append(e, sidBytes(a.sid)...)
		le.PutUint16(e[2:], uint16(len(e)))
		list = append(list, e...)
	}
	head := make([]byte, 8)
	head[0] = 2
	le.PutUint16(head[2:], uint16(8+len(list)))
	le.PutUint16(head[4:], uint16(len(aces)))
	return append(append(b, head...), list...)
}

const (
	full   = 0x1f01ff
	modify = 0x1301bf
	read   = 0x1200a9
)

// healthyList is what Windows gives to Program Files.
func healthyList(more ...ace) []ace {
	return append([]ace{{0, 0, full, sidTrustedInstaller}, {0, 0, modify, sidSystem}, {0, 0xb, 0x10000000, sidSystem}, {0, 0, modify, sidAdministrators}, {0, 0, read, users}, {0, 0xb, 0xa0000000, users}, {0, 0xb, 0x10000000, sidCreatorOwner}, {0, 0, read, "S-1-15-2-1"}}, more...)
}

// tree is a drive; what is not in it is a healthy folder, or file if it has a dot.
type tree map[string]place

func (t tree) look(name string) (place, error) {
	if p, ok := t[name]; ok {
		return p, nil
	}
	if strings.HasSuffix(name, `\missing`) {
		return place{}, os.ErrNotExist
	}
	s, err := parseSecurity(descriptor(sidAdministrators, healthyList()))
	return place{folder: !strings.Contains(name, "."), security: s}, err
}

func TestAccessLists(t *testing.T) {
	t.Parallel()
	const name = `C:\Program Files\X\p.exe`
	for _, c := range []struct {
		name    string
		at      string
		owner   string
		list    []ace
		program string // part of the refusal of a program; empty: may be run
		config  string // of a configuration
	}{
		{"healthy", name, sidSystem, healthyList(), "", ""},
		{"of Windows", name, sidTrustedInstaller, healthyList(), "", ""},
		{"nobody has a right", name, sidSystem, []ace{}, "", ""},
		{"another owner", name, someone, healthyList(), "it belongs to " + someone, "it belongs to " + someone},
		{"our own", name, "S-1-5-21-9-9-9-500", healthyList(), "it belongs to", ""},
		{"no list", name, sidSystem, nil, "no access list", "no access list"},
		{"users may write", name, sidSystem, healthyList(ace{0, 0, 2, users}), users, users},
		{"users may append", name, sidSystem, healthyList(ace{0, 0, 4, users}), users, users},
		{"users may delete", name, sidSystem, healthyList(ace{0, 0, 0x10000, users}), users, users},
		{"users may change rights", name, sidSystem, healthyList(ace{0, 0, 0x40000, users}), users, users},
		{"users may take it", name, sidSystem, healthyList(ace{0, 0, 0x80000, users}), users, users},
		{"generic all", name, sidSystem, healthyList(ace{0, 0, 0x10000000, everyone}), everyone, everyone},
		{"generic write", name, sidSystem, healthyList(ace{0, 0, 0x40000000, everyone}), everyone, everyone},
		{"inherited", name, sidSystem, healthyList(ace{0, 0x10, modify, "S-1-5-11"}), "S-1-5-11", "S-1-5-11"},
		{"handed down only", name, sidSystem, healthyList(ace{0, 0xb, full, users}), "", ""},
		{"with a condition", name, sidSystem, healthyList(ace{9, 0, full, users}), users, users},
		{"for a kind of object", name, sidSystem, healthyList(ace{5, 0, full, users}), users, users},
		{"denied first", name, sidSystem, append([]ace{{1, 0, full, users}}, healthyList(ace{0, 0, full, users})...), users, users},
		{"denied", name, sidSystem, healthyList(ace{1, 0, full, users}), "", ""},
		{"the owner's rights", name, sidSystem, healthyList(ace{0, 0, full, sidOwnerRights}), "", ""},
		{"whoever makes it, here", name, sidSystem, healthyList(ace{0, 0, full, sidCreatorOwner}), sidCreatorOwner, sidCreatorOwner},
		{"users may only read", name, sidSystem, healthyList(ace{0, 0, 0x1f01ff &^ (rightsChange | rightDeleteChild), users}), "", ""},
		{"unknown kind of entry", name, sidSystem, healthyList(ace{77, 0, 0, users}), "not known", "not known"},
		{"folder: users may make files", `C:\Program Files\X`, sidSystem, healthyList(ace{0, 0, 2, users}), users, ""},
		{"folder: users may make folders", `C:\Program Files\X`, sidSystem, healthyList(ace{0, 0, 4, users}), users, ""},
		{"folder: users may delete what is in it", `C:\Program Files\X`, sidSystem, healthyList(ace{0, 0, 0x40, users}), users, users},
		{"folder: users may take it away", `C:\Program Files\X`, sidSystem, healthyList(ace{0, 0, 0x10000, users}), users, users},
		{"folder: another owner", `C:\Program Files\X`, someone, healthyList(), someone, someone},
		{"folder: no list", `C:\Program Files\X`, sidSystem, nil, "no access list", "no access list"},
		{"above: users may make files, as in ProgramData", `C:\Program Files`, sidSystem, healthyList(ace{0, 2, 0x116, users}), "", ""},
		{"above: users may delete what is in it", `C:\Program Files`, sidSystem, healthyList(ace{0, 0, 0x40, users}), users, users},
		{"above: users may change rights", `C:\Program Files`, sidSystem, healthyList(ace{0, 0, 0x40000, users}), users, users},
		{"drive: as Windows makes it", `C:\`, sidTrustedInstaller, []ace{{0, 3, full, sidAdministrators}, {0, 3, full, sidSystem}, {0, 3, read, users}, {0, 0xb, modify, "S-1-5-11"}, {0, 0, 4, "S-1-5-11"}}, "", ""},
		{"drive: users may delete what is in it", `C:\`, sidTrustedInstaller, healthyList(ace{0, 0, 0x40, users}), users, users},
		{"drive: no list, as on FAT", `C:\`, sidTrustedInstaller, nil, "no access list", "no access list"},
		{"drive: another owner", `C:\`, someone, healthyList(), someone, someone},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			look := func(at string) (place, error) {
				if at != c.at {
					return tree{}.look(at)
				}
				s, err := parseSecurity(descriptor(c.owner, c.list))
				if err != nil {
					return place{}, refuse(at, "%v", err)
				}
				return place{folder: !strings.Contains(at, "."), security: s}, nil
			}
			for want, judge := range map[*string]func(string, place, bool) error{&c.program: onlyAdmins(nil, aProgram), &c.config: onlyAdmins(circle{"S-1-5-21-9-9-9-500"}, aFile)} {
				got, err := follow(name, look, judge)
				switch {
				case *want == "" && (err != nil || got != name):
					t.Errorf("%q, %v", got, err)
				case *want != "" && (!errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), *want) || !strings.HasPrefix(err.Error(), c.at+":")):
					t.Errorf("%v, want %q", err, *want)
				}
			}
		})
	}
}

// TestAccessOfSystem: whether the system's account may use something, by list and owner.
func TestAccessOfSystem(t *testing.T) {
	t.Parallel()
	const full, change, read, generic = 0x1f01ff, 0x1301bf, 0x1200a9, 0x1000_0000
	for _, c := range []struct {
		name, owner string
		list        []ace
		want        Access
	}{
		{"as the agent makes it", sidAdministrators, []ace{{0, 0, generic, sidAdministrators}, {0, 0, generic, sidSystem}}, Access{"Administrators", true, "", ""}},
		{"inherited from ProgramData", sidSystem, []ace{{0, 0x13, full, sidSystem}, {0, 0x13, full, sidAdministrators}, {0, 0x13, read, users}}, Access{"SYSTEM", true, "", ""}},
		{"only a user's", someone, []ace{{0, 0, full, someone}}, Access{someone, false, "reading and writing", ""}},
		{"a user's, and administrators may change it", someone, []ace{{0, 0, change, sidAdministrators}}, Access{someone, true, "", ""}},
		{"a user's, and others may read", someone, []ace{{0, 0, full, someone}, {0, 0, read, everyone}}, Access{someone, false, "writing", ""}},
		{"nobody is in the list", someone, []ace{}, Access{someone, false, "reading and writing", ""}},
		{"no list", someone, nil, Access{someone, true, "", ""}},
		{"denied first", someone, []ace{{1, 0, full, everyone}, {0, 0, full, sidSystem}}, Access{someone, false, "reading and writing", "Everyone"}},
		{"denied after it was allowed", someone, []ace{{0, 0, full, sidSystem}, {1, 0, full, everyone}}, Access{someone, true, "", ""}},
		{"writing is denied", someone, []ace{{1, 0, 0x2, sidSystem}, {0, 0, change, sidSystem}}, Access{someone, false, "writing", "SYSTEM"}},
		{"denied, but it may give itself the right", sidSystem, []ace{{1, 0, full, sidSystem}}, Access{"SYSTEM", true, "reading and writing", "SYSTEM"}},
		{"only reading is denied", sidAdministrators, []ace{{1, 0, 0x1, sidSystem}, {0, 0, full, sidSystem}}, Access{"Administrators", true, "reading", "SYSTEM"}},
		{"only reading is allowed", sidAdministrators, []ace{{0, 0, read, sidSystem}}, Access{"Administrators", true, "writing", ""}},
		{"it may change the list", someone, []ace{{0, 0, 0x40000, sidSystem}}, Access{someone, true, "reading and writing", ""}},
		{"another user is denied", someone, []ace{{1, 0, full, users}, {0, 0, full, sidAdministrators}}, Access{someone, true, "", ""}},
		{"only handed down", someone, []ace{{0, aceInheritOnly, full, sidSystem}}, Access{someone, false, "reading and writing", ""}},
	} {
		s, err := parseSecurity(descriptor(c.owner, c.list))
		if got := s.access(); err != nil || got != c.want {
			t.Errorf("%s: %+v, want %+v (%v)", c.name, got, c.want, err)
		}
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	healthy, err := parseSecurity(descriptor(sidAdministrators, healthyList()))
	if err != nil {
		t.Fatal(err)
	}
	theirs := healthy
	theirs.owner = someone
	loose := healthy
	loose.allows = append(loose.allows[:len(loose.allows):len(loose.allows)], entry{sid: users, rights: rightWrite})
	swap := healthy
	swap.allows = append(swap.allows[:len(swap.allows):len(swap.allows)], entry{sid: users, rights: rightDeleteChild})
	link := func(to string, s security) place { return place{link: true, target: to, security: s} }
	for _, c := range []struct {
		name, path string
		tree       tree
		want       string // the path without links
		why        string // part of the refusal of a program
		write      bool   // still a folder to write to
	}{
		{"plain", `C:\A\p.exe`, nil, `C:\A\p.exe`, "", true},
		{"odd spelling", `c:/A\\.\B\..\p.exe`, nil, `c:\A\p.exe`, "", true},
		{"long form", `\\?\C:\A\p.exe`, nil, `C:\A\p.exe`, "", true},
		{"link", `C:\A\p.exe`, tree{`C:\A`: link(`D:\B`, healthy)}, `D:\B\p.exe`, "", true},
		{"junction", `C:\A\p.exe`, tree{`C:\A`: link(`\??\D:\B`, healthy)}, `D:\B\p.exe`, "", true},
		{"relative link", `C:\A\B\p.exe`, tree{`C:\A\B`: link(`..\C`, healthy)}, `C:\C\p.exe`, "", true},
		{"link to the file", `C:\A\p.exe`, tree{`C:\A\p.exe`: link(`q.exe`, healthy)}, `C:\A\q.exe`, "", true},
		{"link to a link of others", `C:\A\p.exe`, tree{`C:\A`: link(`C:\B`, healthy), `C:\B`: link(`C:\C`, theirs)}, "", someone, false},
		{"link of others", `C:\A\p.exe`, tree{`C:\A`: link(`C:\B`, theirs)}, "", someone, false},
		{"link that others may change", `C:\A\p.exe`, tree{`C:\A`: link(`C:\B`, loose)}, "", users, false},
		{"link that others may swap", `C:\A\B\p.exe`, tree{`C:\A`: {folder: true, security: swap}, `C:\A\B`: link(`C:\C`, healthy)}, "", users, false},
		{"link into a folder of others", `C:\A\p.exe`, tree{`C:\A`: link(`C:\B`, healthy), `C:\B`: {folder: true, security: theirs}}, "", someone, true},
		{"link into a folder in which others make files", `C:\A\p.exe`, tree{`C:\A\p.exe`: link(`C:\B\p.exe`, healthy), `C:\B`: {folder: true, security: loose}}, "", users, true},
		{"circle", `C:\A\p.exe`, tree{`C:\A`: link(`C:\A`, healthy)}, "", "too many levels", false},
		{"link to a share", `C:\A\p.exe`, tree{`C:\A`: link(`\\server\share`, healthy)}, "", "does not lead to a drive", false},
		{"link to a volume", `C:\A\p.exe`, tree{`C:\A`: link(`\??\Volume{0}\`, healthy)}, "", "does not lead to a drive", false},
		{"share", `\\server\share\p.exe`, nil, "", "not an absolute path on a drive", false},
		{"relative", `A\p.exe`, nil, "", "not an absolute path", false},
		{"of the drive's folder", `C:p.exe`, nil, "", "not an absolute path", false},
		{"stream", `C:\A\p.exe:q`, nil, "", "not an absolute path", false},
		{"folder", `C:\A\B`, nil, "", "but a folder", true},
		{"drive", `C:\`, nil, "", "but a folder", true},
		{"missing", `C:\A\missing`, nil, "", os.ErrNotExist.Error(), false},
	} {
		got, err := follow(c.path, c.tree.look, onlyAdmins(nil, aProgram))
		if c.why == "" && (err != nil || got != c.want) || c.why != "" && (err == nil || !strings.Contains(err.Error(), c.why)) {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
		if _, err := follow(c.path, c.tree.look, ownLinks(nil)); (err == nil) != c.write {
			t.Errorf("%s, to write: %v", c.name, err)
		}
	}
}

// TestFoldersToWrite: where a file may be made.
func TestFoldersToWrite(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, owner string
		list        []ace
		want        string
	}{
		{"of programs", sidAdministrators, healthyList(), ""},
		{"of a user", someone, []ace{{0, 3, full, sidSystem}, {0, 3, full, someone}}, ""},
		{"of everybody's own files, as C:\\Windows\\Temp", sidSystem, []ace{{0, 3, full, sidAdministrators}, {0, 2, 0x100026, users}, {0, 0xb, 0x10000000, sidCreatorOwner}}, ""},
		{"made below C:\\", sidAdministrators, []ace{{0, 3, full, sidAdministrators}, {0, 3, modify, "S-1-5-11"}}, "S-1-5-11 may change files that are made in it"},
		{"users may delete what is in it", sidAdministrators, healthyList(ace{0, 0, 0x40, users}), users},
		{"users may change rights", sidAdministrators, healthyList(ace{0, 0, 0x40000, users}), users},
		{"everybody may do anything", sidAdministrators, []ace{{0, 3, full, everyone}}, everyone},
		{"no list", sidAdministrators, nil, "no access list"},
	} {
		s, err := parseSecurity(descriptor(c.owner, c.list))
		if err != nil {
			t.Fatal(err)
		}
		err = forWriting(`C:\x`, s, nil)
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// FuzzSecurity: what is cut or wrong is an error, or is judged by what was read.
func FuzzSecurity(f *testing.F) {
	f.Add(descriptor(sidSystem, healthyList()))
	f.Add(descriptor(someone, nil))
	f.Add(descriptor(sidSystem, []ace{{5, 0, full, users}, {1, 3, full, everyone}, {9, 0, 2, someone}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseSecurity(b)
		if err != nil {
			return
		}
		if len(s.allows) > len(b)/8 || !strings.HasPrefix(s.owner, "S-1-") {
			t.Errorf("%+v", s)
		}
		if s.open && (s.who(rightsHold, nil) == "" || len(s.allows) > 0) {
			t.Error("no list lets nobody")
		}
		for _, e := range s.allows {
			if e.rights&rightsChange != 0 && e.flags&aceInheritOnly == 0 && e.sid == everyone && s.who(rightsChange, nil) == "" {
				t.Error("everybody may change it, and nobody does")
			}
		}
	})
}

func TestFolderOfAdmins(t *testing.T) {
	t.Parallel()
	const state = `C:\ProgramData\ssm-doctor\state`
	for _, c := range []struct {
		name, path string
		owner      string
		list       []ace
		why        string // part of the refusal
	}{
		{"healthy", state, sidAdministrators, healthyList(), ""},
		{"handed down only", state, sidAdministrators, healthyList(ace{0, 0xb, full, users}), ""},
		{"of somebody else", state, someone, healthyList(), someone},
		{"users may make files", state, sidAdministrators, healthyList(ace{0, 0, 2, users}), users},
		{"users may make folders", state, sidAdministrators, healthyList(ace{0, 0, 4, users}), users},
		{"users may delete what is in it", state, sidAdministrators, healthyList(ace{0, 0, 0x40, users}), users},
		{"no list", state, sidAdministrators, nil, "no access list"},
		{"a file", state + ".txt", sidAdministrators, healthyList(), "not a folder"},
	} {
		look := func(at string) (place, error) {
			if at != c.path {
				return tree{}.look(at)
			}
			s, err := parseSecurity(descriptor(c.owner, c.list))
			return place{folder: !strings.Contains(at, "."), security: s}, err
		}
		_, err := follow(c.path, look, onlyAdmins(nil, aFolder))
		if c.why == "" && err != nil || c.why != "" && (!errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), c.why)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.why)
		}
	}
}
