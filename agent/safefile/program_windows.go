package safefile

import (
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Program returns the path, without links, of a program that nobody but the system and
// administrators could have replaced: each folder and link on the way, the drive's root,
// and the file belong to them, and no access list lets others change them.
func Program(name string) (string, error) { return follow(name, look, onlyAdmins(nil, aProgram)) }

// Settings refuses a file, such as a configuration, that others than administrators and
// the user of this process could have written, or put in the place of another.
func Settings(name string) error {
	abs, err := filepath.Abs(name)
	if err == nil {
		_, err = follow(abs, look, onlyAdmins(self(), aFile))
	}
	return err
}

// Folder refuses a folder that others than administrators and the user of this process
// could have made, put something into, or put in the place of another.
func Folder(name string) error {
	abs, err := filepath.Abs(name)
	if err == nil {
		_, err = follow(abs, look, onlyAdmins(self(), aFolder))
	}
	return err
}

// Owned refuses what others than administrators own. h is open.
func Owned(h windows.Handle, name string) error {
	s, err := securityOf(h, name)
	if err == nil && s.foreign(nil) != "" {
		err = refuse(name, "%s and not to Administrators", s.foreign(nil))
	}
	return err
}

// Elevated reports whether this process has the rights of an administrator.
func Elevated() bool { return windows.GetCurrentProcessToken().IsElevated() }

// AccessOf tells whose a file or folder is, and whether the system's account may use it;
// of a link, what it leads to.
func AccessOf(name string) (Access, error) {
	h, err := openToLook(name, 0)
	if err != nil {
		return Access{}, err
	}
	defer func() { _ = windows.CloseHandle(h) }()
	s, err := securityOf(h, name)
	if err != nil {
		return Access{}, err
	}
	return s.access(), nil
}

// openToLook opens a file or folder for what is known about it, with more flags.
func openToLook(name string, flags uint32) (windows.Handle, error) {
	w, err := windows.UTF16PtrFromString(name)
	if err != nil {
		return 0, err
	}
	h, err := windows.CreateFile(w, windows.READ_CONTROL|windows.FILE_READ_ATTRIBUTES, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE,
		nil, windows.OPEN_EXISTING, windows.FILE_FLAG_BACKUP_SEMANTICS|flags, 0)
	if err != nil {
		return 0, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return h, nil
}

// self is the user of this process.
func self() circle {
	u, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return nil
	}
	return circle{u.User.Sid.String()}
}

// look opens what is under a name, not what a link there leads to, and reads from the
// opened what it is, whose it is and who may do what with it.
func look(name string) (place, error) {
	var p place
	h, err := openToLook(name, windows.FILE_FLAG_OPEN_REPARSE_POINT)
	if err != nil {
		return p, err
	}
	defer func() { _ = windows.CloseHandle(h) }()
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(h, &info); err != nil {
		return p, &os.PathError{Op: "stat", Path: name, Err: err}
	}
	p.folder = info.FileAttributes&windows.FILE_ATTRIBUTE_DIRECTORY != 0
	if info.FileAttributes&windows.FILE_ATTRIBUTE_REPARSE_POINT != 0 {
		fi, err := os.Lstat(name)
		if err != nil {
			return p, err
		}
		if p.link = !fi.Mode().IsRegular() && !fi.IsDir(); p.link { // not what only holds a file in another form
			if p.target, err = os.Readlink(name); err != nil {
				return p, err
			}
		}
	}
	p.security, err = securityOf(h, name)
	return p, err
}

// securityOf reads whose something opened is and who may do what with it.
func securityOf(h windows.Handle, name string) (security, error) {
	sd, err := windows.GetSecurityInfo(h, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return security{}, fmt.Errorf("read the owner and access list of %s: %w", name, err)
	}
	s, err := parseSecurity(unsafe.Slice((*byte)(unsafe.Pointer(sd)), sd.Length()))
	if err != nil {
		return s, refuse(name, "%v", err)
	}
	return s, nil
}

// openFolder opens the folder of a file that is to be written. Who has the rights of an
// administrator follows links only of administrators and of himself, and does not write
// where others could put something into the file's place.
func openFolder(dir string) (*os.Root, error) {
	if !Elevated() {
		return os.OpenRoot(dir)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if !onDrive(abs) { // a share: its server says who may do what
		return os.OpenRoot(abs)
	}
	c := self()
	plain, err := follow(abs, look, ownLinks(c))
	if err != nil {
		return nil, err
	}
	r, err := os.OpenRoot(plain[:3])
	if err != nil {
		return nil, err
	}
	for _, part := range split(plain)[1:] { // a link that came in the meantime is not followed out of its folder
		next, err := r.OpenRoot(part)
		_ = r.Close()
		if err != nil {
			return nil, err
		}
		r = next
	}
	f, err := r.Open(".")
	if err == nil {
		var s security
		if s, err = securityOf(windows.Handle(f.Fd()), plain); err == nil {
			err = forWriting(plain, s, c)
		}
		_ = f.Close()
	}
	if err != nil {
		_ = r.Close()
		return nil, err
	}
	return r, nil
}
