package safefile

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/windows"
)

// TestSecurityOfWindows: the reader agrees with what Windows makes of its own notation.
func TestSecurityOfWindows(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"O:BAD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FRFX;;;BU)": "",
		"O:SYD:(A;;FA;;;SY)(A;;FW;;;BU)":                              users + " may change it",
		"O:SYD:(A;;FA;;;SY)(A;;WD;;;WD)":                              everyone + " may change it",
		"O:SYD:(A;OICIIO;FA;;;BU)(A;;FA;;;CO)":                        sidCreatorOwner + " may change it",
		"O:BUD:(A;;FA;;;SY)":                                          "it belongs to " + users,
	} {
		sd, err := windows.SecurityDescriptorFromString(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		s, err := parseSecurity(unsafe.Slice((*byte)(unsafe.Pointer(sd)), sd.Length()))
		got := s.foreign(nil)
		if got == "" {
			got = s.who(rightsChange, nil)
		}
		if err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", text, got, err, want)
		}
	}
}

// give gives a file or folder an owner and an access list.
func give(t *testing.T, name, text string) {
	t.Helper()
	sd, err := windows.SecurityDescriptorFromString(text)
	if err != nil {
		t.Fatal(err)
	}
	owner, _, err := sd.Owner()
	if err != nil {
		t.Fatal(err)
	}
	dacl, _, err := sd.DACL()
	if err != nil {
		t.Fatal(err)
	}
	if err := windows.SetNamedSecurityInfo(name, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, owner, nil, dacl, nil); err != nil {
		t.Skipf("rights cannot be set here: %v", err)
	}
}

// TestAccessBehindAJunction: of a folder that is a junction, what it leads to is judged.
func TestAccessBehindAJunction(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	to, at := filepath.Join(dir, "to"), filepath.Join(dir, "at")
	if err := os.Mkdir(to, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cmd.exe", "/c", "mklink", "/J", at, to).CombinedOutput(); err != nil {
		t.Skipf("no junction can be made here: %v: %s", err, out)
	}
	give(t, to, "O:BAD:P(D;;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;WD)")
	if a, err := AccessOf(at); err != nil || a.Denies != "SYSTEM" {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestProgramOnWindows: a file of administrators and of ours is taken, one that everybody
// may change is not, and nothing is written to a folder that everybody may change.
func TestProgramOnWindows(t *testing.T) {
	t.Parallel()
	if !Elevated() {
		t.Skip("needs the rights of an administrator")
	}
	const healthy = "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FRFX;;;BU)"
	dir, err := os.MkdirTemp(os.Getenv("ProgramFiles"), "ssm-doctor-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	name := filepath.Join(dir, "p.exe")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	give(t, dir, healthy)
	give(t, name, healthy)
	program := func() error {
		_, err := follow(name, look, onlyAdmins(self(), aProgram))
		return err
	}
	if err := errors.Join(program(), Settings(name), Replace(filepath.Join(dir, "f"), 0o600, []byte("x"))); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "f")); string(b) != "x" {
		t.Errorf("%q, %v", b, err)
	}
	if p, err := look(os.Getenv("ProgramFiles")); err != nil {
		t.Error(err)
	} else if _, err := Program(name); err != nil && p.foreign(nil) == "" { // where administrators own the folder of programs
		t.Error(err)
	}
	give(t, name, "O:BAD:P(A;;FA;;;BA)(A;;FA;;;WD)")
	for what, err := range map[string]error{"program": program(), "settings": Settings(name)} {
		if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), everyone+" may change it") {
			t.Errorf("%s that everybody may change: %v", what, err)
		}
	}
	give(t, name, healthy)
	give(t, dir, "O:BAD:P(A;OICI;FA;;;BA)(A;OICI;FA;;;WD)")
	for what, err := range map[string]error{"program": program(), "settings": Settings(name), "new file": Replace(filepath.Join(dir, "f"), 0o600, nil), "added": Append(filepath.Join(dir, "f"), 0o600, nil)} {
		if !errors.Is(err, ErrRefused) {
			t.Errorf("%s in a folder that everybody may change: %v", what, err)
		}
	}
	_ = os.Symlink(dir, dir+"-link")
	if p, err := look(dir + "-link"); err != nil || !p.link {
		t.Logf("no links here: %v", err)
		return
	}
	t.Cleanup(func() { _ = os.Remove(dir + "-link") })
	give(t, dir, healthy)
	if got, err := follow(dir+"-link"+`\p.exe`, look, onlyAdmins(self(), aProgram)); err != nil || !strings.EqualFold(got, name) {
		t.Errorf("by a link: %q, %v", got, err)
	}
}
