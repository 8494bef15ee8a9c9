package recorded

import (
	"context"
	"encoding/json"
	"io/fs"
	"maps"
	"net/netip"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/agentsvc"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/sorting"
)

// Recorder keeps what a host answers.
type Recorder struct {
	env *gather.Env // the host itself
	at  time.Time

	mu       sync.Mutex
	vars     map[string]string
	programs map[string]Program
	files    map[string]*File
	volumes  map[string]*Volume
	kernel   *gather.Kernel
	routes   map[string]facts.Seen[facts.Route]
	windows  map[string]json.RawMessage
}

// Record is a host whose answers are kept. Its clock stands still, so that what is asked
// of a recording later is what was asked now.
func Record(host *gather.Env) (*gather.Env, *Recorder) {
	r := &Recorder{env: host, at: host.Now(), vars: map[string]string{}, programs: map[string]Program{}, files: map[string]*File{}, volumes: map[string]*Volume{},
		routes: map[string]facts.Seen[facts.Route]{}, windows: map[string]json.RawMessage{}}
	env := *host
	env.Now = func() time.Time { return r.at }
	env.FS = recordingFS{host.FS, r}
	env.Getenv = func(k string) string {
		v := host.Getenv(k)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.vars[k] = variable(k, v)
		return v
	}
	if host.Exec != nil {
		env.Exec = func(ctx context.Context, name string, args ...string) ([]byte, error) {
			out, err := host.Exec(ctx, name, args...)
			line := append([]string{name}, args...)
			r.mu.Lock()
			defer r.mu.Unlock()
			r.programs[key(line...)] = Program{Args: line, Output: string(out), Error: wordFor(err)}
			return out, err
		}
	}
	if host.StatFS != nil {
		env.StatFS = func(name string) (facts.Usage, error) {
			u, err := host.StatFS(name)
			r.volume(name, func(v *Volume) {
				if v.UsageError = wordFor(err); err == nil {
					v.Usage = &u
				}
			})
			return u, err
		}
	}
	if host.Volume != nil {
		env.Volume = func(name string) (gather.Volume, error) {
			got, err := host.Volume(name)
			r.volume(name, func(v *Volume) {
				if v.Error = wordFor(err); err == nil {
					v.Volume = &got
				}
			})
			return got, err
		}
	}
	if host.Kernel != nil {
		env.Kernel = func() gather.Kernel {
			k := host.Kernel()
			r.mu.Lock()
			defer r.mu.Unlock()
			r.kernel = &k
			return k
		}
	}
	if host.RouteTo != nil {
		env.RouteTo = func(to netip.AddrPort) facts.Seen[facts.Route] {
			s := host.RouteTo(to)
			r.mu.Lock()
			defer r.mu.Unlock()
			r.routes[to.Addr().String()] = s // of each address one port is asked about
			return s
		}
	}
	if host.Windows != nil {
		env.Windows = r.ofWindows(host.Windows)
	}
	return &env, r
}

func (r *Recorder) volume(name string, set func(*Volume)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := r.volumes[name]
	if v == nil {
		v = &Volume{Path: name}
		r.volumes[name] = v
	}
	set(v)
}

// keep remembers an answer of Windows.
func keep[T any](r *Recorder, s facts.Seen[T], question ...string) facts.Seen[T] {
	b, err := json.Marshal(s)
	if err != nil {
		return s
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.windows[strings.Join(question, "|")] = b
	return s
}

func (r *Recorder) ofWindows(w *gather.Windows) *gather.Windows {
	return &gather.Windows{
		Service: func(name string) facts.Seen[gather.WindowsService] {
			s := w.Service(name)
			kept := s
			kept.Value.Path = commandLine(s.Value.Path)
			keep(r, kept, "service", name)
			return s
		},
		Strings: func(k, v string) facts.Seen[[]string] {
			s := w.Strings(k, v)
			kept := s
			kept.Value = registryValues(k, v, s.Value)
			keep(r, kept, "strings", k, v)
			return s
		},
		Texts: func(k string) facts.Seen[[]string] {
			s := w.Texts(k)
			kept := s
			kept.Value = registryTexts(k, s.Value)
			keep(r, kept, "texts", k)
			return s
		},
		Keys: func(k string) facts.Seen[[]string] {
			if w.Keys == nil {
				return facts.Unknown[[]string](gather.NotLive, "")
			}
			return keep(r, w.Keys(k), "keys", k)
		},
		Processes: func(names []string) facts.Seen[[]facts.Process] {
			return keep(r, w.Processes(names), append([]string{"processes"}, names...)...)
		},
		Routes:  func() facts.Seen[[]gather.WindowsRoute] { return keep(r, w.Routes(), "routes") },
		Servers: func() facts.Seen[[]string] { return keep(r, w.Servers(), "servers") },
		Connections: func(pids []int, port uint16) facts.Seen[[]facts.Socket] {
			return keep(r, w.Connections(pids, port), "connections")
		},
		Volume: func(p string) (gather.Volume, error) {
			v, err := w.Volume(p)
			s := facts.Known(v, "")
			if err != nil {
				s = facts.Unknown[gather.Volume](wordFor(err), "")
			}
			keep(r, s, "volume", p)
			return v, err
		},
		Elevated: w.Elevated,
		Access: func(p string) facts.Seen[facts.Access] {
			if w.Access == nil {
				return facts.Unknown[facts.Access](gather.NotLive, "")
			}
			s := w.Access(p)
			kept := s
			if strings.HasPrefix(s.Value.Owner, "S-1-5-21-") { // a user of this host or its domain
				kept.Value.Owner = "S-1-5-21"
			}
			keep(r, kept, "access", p)
			return s
		},
		Firmware: func() facts.Seen[gather.Firmware] {
			if w.Firmware == nil {
				return facts.Unknown[gather.Firmware](gather.NotLive, "")
			}
			s := w.Firmware()
			kept := s
			kept.Value = firmware(s.Value)
			keep(r, kept, "firmware")
			return s
		},
		Events: func(log, query string) facts.Seen[[]gather.WindowsEvent] {
			if w.Events == nil {
				return facts.Unknown[[]gather.WindowsEvent](gather.NotLive, "")
			}
			s := w.Events(log, query)
			kept := s
			kept.Value = agentsvc.KeptEvents(s.Value)
			keep(r, kept, "events", log)
			return s
		},
	}
}

// Recording is what was kept. redact edits text; names says that it takes names out, and
// then tables of the kernel stay out that hold addresses as numbers. Files are read now, a
// second time: what a source read in part is whole in it.
func (r *Recorder) Recording(redact func(string) string, names bool) *Recording {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := &Recording{Schema: Schema, Version: r.env.Version, At: r.at.UTC(), GOOS: r.env.GOOS, GOARCH: r.env.GOARCH, Root: r.env.Root, Live: r.env.Live, Offline: r.env.Offline,
		Privileged: r.env.Privileged, Variables: map[string]string{}, Programs: []Program{}, Files: []File{}, Volumes: []Volume{}, Routes: map[string]facts.Seen[facts.Route]{}, Windows: map[string]json.RawMessage{}}
	if r.env.Windows != nil {
		out.Privileged = r.env.Windows.Elevated()
	}
	for k, v := range r.vars {
		out.Variables[k] = redact(v)
	}
	left := maxAll
	for _, p := range r.programs {
		text, ok := output(p.Args, p.Output)
		if !ok && p.Output != "" || len(text) > min(maxFile, left) {
			continue // was not asked, as far as the recording knows
		}
		left -= len(text)
		p.Output, p.Error = redact(text), redact(shownError(p.Error))
		out.Programs = append(out.Programs, p)
	}
	sorting.By(out.Programs, func(a, b Program) int { return strings.Compare(key(a.Args...), key(b.Args...)) })
	for _, n := range slices.Sorted(maps.Keys(r.files)) {
		f := *r.files[n]
		if names && strings.HasPrefix(n, "proc/net/") {
			f.Kept = "left out, since it names addresses"
		} else if f.Fails["open"] == "" && f.Stat != nil && f.Stat.Mode.IsRegular() {
			r.read(&f, &left)
		}
		if names { // a path is no secret, and may look like one
			f.Path = redact(f.Path)
		}
		for _, text := range []*string{f.Text, f.Link} {
			if text != nil {
				*text = redact(*text)
			}
		}
		for op, why := range f.Fails {
			f.Fails[op] = redact(shownError(why))
		}
		for i := range f.Names {
			f.Names[i].Name = redact(f.Names[i].Name)
		}
		out.Files = append(out.Files, f)
	}
	for _, v := range r.volumes {
		out.Volumes = append(out.Volumes, *v)
	}
	sorting.By(out.Volumes, func(a, b Volume) int { return strings.Compare(a.Path, b.Path) })
	out.Kernel = redacted(r.kernel, redact)
	out.Routes = redacted(r.routes, redact)
	out.Windows = redacted(r.windows, redact)
	return out
}

// redacted takes names out of all text of a value. One that does not survive it is
// dropped.
func redacted[T any](v T, redact func(string) string) T {
	var zero T
	b, err := json.Marshal(v)
	if err != nil {
		return zero
	}
	var tree any
	if json.Unmarshal(b, &tree) != nil {
		return zero
	}
	if b, err = json.Marshal(leaves(tree, redact)); err != nil {
		return zero
	}
	if json.Unmarshal(b, &zero) != nil {
		var none T
		return none
	}
	return zero
}

func leaves(v any, edit func(string) string) any {
	switch x := v.(type) {
	case string:
		return edit(x)
	case []any:
		for i := range x {
			x[i] = leaves(x[i], edit)
		}
	case map[string]any:
		for k := range x {
			x[k] = leaves(x[k], edit)
		}
	}
	return v
}

// read keeps the content of a file, or says why not.
func (r *Recorder) read(f *File, left *int) {
	how := contentOf(f.Path, r.env)
	if how == nil {
		f.Kept = "its content is not recorded"
		return
	}
	b, err := gather.ReadTail(r.env.FS, f.Path, maxFile)
	if err != nil {
		f.Kept = wordFor(err)
		return
	}
	if b = how(b); b == nil {
		f.Kept = "its content is not recorded"
		return
	}
	if len(b) > *left {
		f.Kept = "too large"
		return
	}
	*left -= len(b)
	if slices.Contains(b, 0) && !strings.HasSuffix(f.Path, "environ") && !strings.HasSuffix(f.Path, "cmdline") {
		f.Bytes = b
		return
	}
	text := string(b)
	f.Text = &text
}

// recordingFS notes what is looked at.
type recordingFS struct {
	gather.FileSystem
	r *Recorder
}

func (f recordingFS) note(op, name string, err error, set func(*File)) {
	f.r.mu.Lock()
	defer f.r.mu.Unlock()
	name = gather.Clean(name)
	at := f.r.files[name]
	if at == nil {
		at = &File{Path: name, Fails: map[string]string{}}
		f.r.files[name] = at
	}
	if err != nil {
		at.Fails[op] = wordFor(err)
	} else if set != nil {
		set(at)
	}
}

func (f recordingFS) info(fi fs.FileInfo) *Info {
	i := &Info{Size: fi.Size(), Mode: fi.Mode(), Mtime: fi.ModTime()}
	if f.r.env.Owner != nil {
		if uid, ok := f.r.env.Owner(fi); ok {
			i.UID = &uid
		}
	}
	return i
}

func (f recordingFS) Open(name string) (fs.File, error) {
	file, err := f.FileSystem.Open(name)
	var info *Info
	if err == nil {
		if fi, err := file.Stat(); err == nil {
			info = f.info(fi)
		}
	}
	f.note("open", name, err, func(at *File) {
		if at.Stat == nil {
			at.Stat = info
		}
	})
	return file, err
}

func (f recordingFS) Stat(name string) (fs.FileInfo, error) {
	fi, err := f.FileSystem.Stat(name)
	f.note("stat", name, err, func(at *File) { at.Stat = f.info(fi) })
	return fi, err
}

func (f recordingFS) Lstat(name string) (fs.FileInfo, error) {
	fi, err := f.FileSystem.Lstat(name)
	f.note("lstat", name, err, func(at *File) { at.Lstat = f.info(fi) })
	return fi, err
}

func (f recordingFS) Readlink(name string) (string, error) {
	s, err := f.FileSystem.Readlink(name)
	f.note("readlink", name, err, func(at *File) { at.Link = &s })
	return s, err
}

func (f recordingFS) ReadDir(name string) ([]fs.DirEntry, error) {
	es, err := f.FileSystem.ReadDir(name)
	f.note("readdir", name, err, nil)
	names := make([]Name, 0, len(es))
	for i, e := range es {
		names = append(names, Name{e.Name(), e.Type()})
		es[i] = recordingEntry{e, f, path.Join(name, e.Name())}
	}
	if err == nil || len(es) > 0 {
		f.note("readdir", name, nil, func(at *File) { at.Names = names })
	}
	return es, err
}

// recordingEntry notes a look at an entry of a directory.
type recordingEntry struct {
	fs.DirEntry
	f    recordingFS
	name string
}

func (e recordingEntry) Info() (fs.FileInfo, error) {
	fi, err := e.DirEntry.Info()
	e.f.note("lstat", e.name, err, func(at *File) { at.Lstat = e.f.info(fi) })
	return fi, err
}
