package safefile

import "slices"

// Access is whose a file or folder of Windows is, and whether the system's account may
// use it.
type Access struct {
	Owner  string // SYSTEM, Administrators, TrustedInstaller or a SID
	System bool   // it may read and write, or give itself the right to
	Lacks  string // what it may not do as the access list stands: reading, writing, both; empty: nothing
	Denies string // who is denied reading or writing that it is, or is a member of
}

// accountNames are words for owners.
var accountNames = map[string]string{
	sidSystem: "SYSTEM", sidAdministrators: "Administrators", sidTrustedInstaller: "TrustedInstaller", sidEveryone: "Everyone", sidAuthenticated: "Authenticated Users",
}

const (
	sidEveryone      = "S-1-1-0"
	sidAuthenticated = "S-1-5-11"
)

// ofSystem are the system's account and the groups that it is a member of.
var ofSystem = []string{sidSystem, sidAdministrators, sidEveryone, sidAuthenticated}

// rightRead is to read a file, or list a folder; rightReadAll stands for it and others.
const (
	rightRead    = 0x1
	rightReadAll = 0x8000_0000
)

// spelled are rights with those that generic ones stand for.
func spelled(rights uint32) uint32 {
	if rights&(rightAll|rightReadAll) != 0 {
		rights |= rightRead
	}
	if rights&(rightAll|rightWriteAll) != 0 {
		rights |= rightWrite | rightAppend
	}
	if rights&rightAll != 0 {
		rights |= rightDAC
	}
	return rights
}

// access judges an access list as Windows does: of the entries that are for somebody, the
// first that names a right decides it. Who owns something may always give himself rights.
func (s security) access() Access {
	const needed = rightRead | rightWrite
	a := Access{Owner: s.owner, System: s.open}
	if n, ok := accountNames[s.owner]; ok {
		a.Owner = n
	}
	if s.open {
		return a
	}
	var allowed, denied uint32
	for _, e := range s.list {
		if e.flags&aceInheritOnly != 0 || !slices.Contains(ofSystem, e.sid) {
			continue
		}
		rights := spelled(e.rights)
		if !e.denies {
			allowed |= rights &^ denied
			continue
		}
		if rights&needed&^allowed != 0 && a.Denies == "" {
			a.Denies = accountNames[e.sid]
		}
		denied |= rights &^ allowed
	}
	mine := slices.Contains([]string{sidSystem, sidAdministrators}, s.owner)
	a.System = allowed&needed == needed || allowed&rightDAC != 0 || mine
	a.Lacks = map[uint32]string{rightRead: "reading", rightWrite: "writing", needed: "reading and writing"}[needed&^allowed]
	return a
}
