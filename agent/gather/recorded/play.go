package recorded

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net/netip"
	"path"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/checks/facts"
)

// Env is the recorded host as sources see it. It has no network: what that answered is
// in the facts that were collected with it.
func (r *Recording) Env() *gather.Env {
	programs, volumes, files := map[string]Program{}, map[string]Volume{}, map[string]*File{}
	for _, p := range r.Programs {
		programs[key(p.Args...)] = p
	}
	for _, v := range r.Volumes {
		volumes[v.Path] = v
	}
	for i := range r.Files {
		files[r.Files[i].Path] = &r.Files[i]
	}
	env := &gather.Env{
		FS: playedFS(files), Root: r.Root, Live: r.Live, Offline: true, GOOS: r.GOOS, GOARCH: r.GOARCH, Privileged: r.Privileged,
		Now: func() time.Time { return r.At }, Getenv: func(k string) string { return r.Variables[k] },
		Owner:  func(fi fs.FileInfo) (int, bool) { return ownerOf(fi) },
		Limits: gather.DefaultLimits(), Memory: &gather.Memory{}, Version: r.Version,
	}
	if !r.Live {
		return env
	}
	env.Exec = func(_ context.Context, name string, args ...string) ([]byte, error) {
		p, ok := programs[key(append([]string{name}, args...)...)]
		if !ok {
			return nil, errNotKept
		}
		return []byte(p.Output), errorFor(p.Error)
	}
	env.StatFS = func(name string) (facts.Usage, error) {
		v := volumes[name]
		if v.Usage == nil {
			return facts.Usage{}, orNotKept(v.UsageError)
		}
		return *v.Usage, nil
	}
	if r.GOOS == "darwin" {
		env.Volume = func(name string) (gather.Volume, error) {
			v := volumes[name]
			if v.Volume == nil {
				return gather.Volume{}, orNotKept(v.Error)
			}
			return *v.Volume, nil
		}
	}
	if r.Kernel != nil {
		env.Kernel = func() gather.Kernel { return *r.Kernel }
	}
	if r.GOOS == "linux" {
		env.RouteTo = func(to netip.AddrPort) facts.Seen[facts.Route] {
			if s, ok := r.Routes[to.Addr().String()]; ok {
				return s
			}
			return facts.Unknown[facts.Route](errNotKept.Error(), "")
		}
	}
	if r.GOOS == "windows" {
		env.Windows = r.windows()
	}
	return env
}

func orNotKept(word string) error {
	if word == "" {
		return errNotKept
	}
	return errorFor(word)
}

func ownerOf(fi fs.FileInfo) (int, bool) {
	i, ok := fi.(played)
	if !ok || i.UID == nil {
		return 0, false
	}
	return *i.UID, true
}

// windows answers as Windows did.
func (r *Recording) windows() *gather.Windows {
	return &gather.Windows{
		Service: func(name string) facts.Seen[gather.WindowsService] {
			return answer[gather.WindowsService](r, "service", name)
		},
		Strings: func(k, v string) facts.Seen[[]string] { return answer[[]string](r, "strings", k, v) },
		Texts:   func(k string) facts.Seen[[]string] { return answer[[]string](r, "texts", k) },
		Keys:    func(k string) facts.Seen[[]string] { return answer[[]string](r, "keys", k) },
		Processes: func(names []string) facts.Seen[[]facts.Process] {
			return answer[[]facts.Process](r, append([]string{"processes"}, names...)...)
		},
		Routes:  func() facts.Seen[[]gather.WindowsRoute] { return answer[[]gather.WindowsRoute](r, "routes") },
		Servers: func() facts.Seen[[]string] { return answer[[]string](r, "servers") },
		Connections: func([]int, uint16) facts.Seen[[]facts.Socket] {
			return answer[[]facts.Socket](r, "connections")
		},
		Volume: func(p string) (gather.Volume, error) {
			s := answer[gather.Volume](r, "volume", p)
			if v, ok := s.Get(); ok {
				return v, nil
			}
			return gather.Volume{}, errorFor(s.Why)
		},
		Elevated: func() facts.Seen[bool] { return r.Privileged },
		Access:   func(p string) facts.Seen[facts.Access] { return answer[facts.Access](r, "access", p) },
		Firmware: func() facts.Seen[gather.Firmware] { return answer[gather.Firmware](r, "firmware") },
		Events: func(log, _ string) facts.Seen[[]gather.WindowsEvent] {
			return answer[[]gather.WindowsEvent](r, "events", log)
		},
	}
}

func answer[T any](r *Recording, question ...string) facts.Seen[T] {
	var s facts.Seen[T]
	b, ok := r.Windows[strings.Join(question, "|")]
	if !ok || json.Unmarshal(b, &s) != nil {
		return facts.Unknown[T](errNotKept.Error(), "")
	}
	return s
}

// playedFS is the file tree of a recording.
type playedFS map[string]*File

func fails(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: "/" + gather.Clean(name), Err: err}
}

// at is a file and how a way to look at it ended.
func (p playedFS) at(op, name string) (*File, error) {
	f := p[gather.Clean(name)]
	if f == nil {
		return nil, fails(op, name, errNotKept)
	}
	if word := f.Fails[op]; word != "" {
		return f, fails(op, name, errorFor(word))
	}
	return f, nil
}

// Open opens a file or a directory.
func (p playedFS) Open(name string) (fs.File, error) {
	f, err := p.at("open", name)
	switch {
	case err != nil:
		return nil, err
	case f.Kept != "":
		return nil, fails("open", name, errorFor(f.Kept))
	case f.Text == nil && f.Bytes == nil && (f.Stat == nil || !f.Stat.Mode.IsDir()):
		return nil, fails("open", name, errNotKept)
	}
	return &playedFile{Reader: bytes.NewReader(f.content()), info: f.info(f.Stat)}, nil
}

// ReadDir lists a directory.
func (p playedFS) ReadDir(name string) ([]fs.DirEntry, error) {
	f, err := p.at("readdir", name)
	if f == nil || err == nil && f.Names == nil {
		return nil, fails("readdir", name, errNotKept)
	}
	out := []fs.DirEntry{}
	for _, n := range f.Names {
		out = append(out, playedEntry{entry: n, fsys: p, dir: name})
	}
	return out, err
}

// Stat follows links.
func (p playedFS) Stat(name string) (fs.FileInfo, error) {
	f, err := p.at("stat", name)
	if err == nil && f.Stat == nil {
		err = fails("stat", name, errNotKept)
	}
	if err != nil {
		return nil, err
	}
	return f.info(f.Stat), nil
}

// Lstat does not follow a last link.
func (p playedFS) Lstat(name string) (fs.FileInfo, error) {
	f, err := p.at("lstat", name)
	if err == nil && f.Lstat == nil {
		err = fails("lstat", name, errNotKept)
	}
	if err != nil {
		return nil, err
	}
	return f.info(f.Lstat), nil
}

// Readlink reads a last link.
func (p playedFS) Readlink(name string) (string, error) {
	f, err := p.at("readlink", name)
	if err == nil && f.Link == nil {
		err = fails("readlink", name, errNotKept)
	}
	if err != nil {
		return "", err
	}
	return *f.Link, nil
}

func (f *File) content() []byte {
	if f.Text != nil {
		return []byte(strings.ReplaceAll(*f.Text, standIn, standInKey()))
	}
	return f.Bytes
}

// info describes a file; one whose content is here has the size of that.
func (f *File) info(i *Info) played {
	out := played{name: path.Base(f.Path)}
	if i != nil {
		out.Info = *i
	}
	if b := f.content(); b != nil && out.Info.Mode.IsRegular() {
		out.Info.Size = int64(len(b))
	}
	return out
}

type played struct {
	Info
	name string
}

func (i played) Name() string       { return i.name }
func (i played) Size() int64        { return i.Info.Size }
func (i played) Mode() fs.FileMode  { return i.Info.Mode }
func (i played) ModTime() time.Time { return i.Mtime }
func (i played) IsDir() bool        { return i.Info.Mode.IsDir() }
func (i played) Sys() any           { return nil }

type playedFile struct {
	*bytes.Reader
	info played
}

func (f *playedFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *playedFile) Close() error               { return nil }

var _ io.Seeker = (*playedFile)(nil)

type playedEntry struct {
	entry Name
	fsys  playedFS
	dir   string
}

func (e playedEntry) Name() string      { return e.entry.Name }
func (e playedEntry) IsDir() bool       { return e.entry.Type.IsDir() }
func (e playedEntry) Type() fs.FileMode { return e.entry.Type }

// Info is what Lstat says.
func (e playedEntry) Info() (fs.FileInfo, error) {
	return e.fsys.Lstat(path.Join(e.dir, e.entry.Name))
}
