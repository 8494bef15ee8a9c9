package gather

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"sync"

	"www.velocidex.com/golang/regparser"

	"ssm-doctor/checks/facts"
)

// hiveDir is where Windows keeps the files of its registry.
const hiveDir = "Windows/System32/config/"

// Bounds of reading a hive. To list a key takes five reads for each key in it, which is
// some hundred bytes; those of ours lie in keys with some thousand others. A small file
// cannot need many: one that is damaged could ask for names of 64 KiB in circles.
const (
	maxHiveReads = 300_000
	minHiveReads = 1000
	bytesOfRead  = 512 // for which a longer read counts once more
	maxValue     = 64 << 10
)

// hives are the registry of a Windows that does not run.
type hives struct {
	fsys FileSystem
	mu   sync.Mutex
	open map[string]*hive
}

// hive is one file of the registry.
type hive struct {
	reg  *regparser.Registry
	err  error
	kids map[string]map[string]*regparser.CM_KEY_NODE // by the path of their key, and name
}

// key finds a key; nil: there is none. The keys on the way to it are listed once.
func (h *hive) key(name string) *regparser.CM_KEY_NODE {
	k := h.reg.Profile.HCELL(h.reg.Reader, 0x1000+int64(h.reg.BaseBlock.RootCell())).KeyNode()
	at := ""
	for c := range strings.SplitSeq(strings.ToLower(name), `\`) {
		if k == nil {
			return nil
		}
		kids, ok := h.kids[at]
		if !ok {
			kids = map[string]*regparser.CM_KEY_NODE{}
			for _, sub := range k.Subkeys() {
				kids[strings.ToLower(sub.Name())] = sub
			}
			h.kids[at] = kids
		}
		k, at = kids[c], at+`\`+c
	}
	return k
}

// countedReader ends with a panic where a damaged file leads in circles.
type countedReader struct {
	io.ReaderAt
	left int
}

var errHiveLoop = errors.New("damaged: it leads in circles")

func (r *countedReader) ReadAt(b []byte, at int64) (int, error) {
	if r.left -= 1 + len(b)/bytesOfRead; r.left < 0 {
		panic(errHiveLoop)
	}
	return r.ReaderAt.ReadAt(b, at)
}

// ofImage is a tree that holds a Windows volume; false: it holds none.
func ofImage(fsys FileSystem) (FileSystem, *hives, bool) {
	folded := foldFS{fsys}
	if !Exists(folded, hiveDir+"SOFTWARE") && !Exists(folded, hiveDir+"SYSTEM") {
		return fsys, nil, false
	}
	return folded, &hives{fsys: folded, open: map[string]*hive{}}, true
}

// setImage makes an environment one of the Windows that lies in its tree.
func setImage(env *Env) {
	fsys, h, ok := ofImage(env.FS)
	if !ok {
		return
	}
	env.FS, env.GOOS, env.GOARCH = fsys, "windows", ""
	env.Windows = h.windows(env.Privileged)
	if a := env.Windows.Strings(`SYSTEM\CurrentControlSet\Control\Session Manager\Environment`, "PROCESSOR_ARCHITECTURE").Value; len(a) == 1 {
		env.GOARCH = map[string]string{"AMD64": "amd64", "ARM64": "arm64", "X86": "386"}[strings.ToUpper(a[0])]
	}
	env.Kernel = func() Kernel { return h.kernel() }
}

// windows answers from the hives. What only a running Windows knows cannot be asked.
func (h *hives) windows(privileged facts.Seen[bool]) *Windows {
	return &Windows{
		Service:   h.service,
		Strings:   h.strings,
		Texts:     h.texts,
		Processes: func([]string) facts.Seen[[]facts.Process] { return NotAskable[[]facts.Process](NotLive, "") },
		Routes:    func() facts.Seen[[]WindowsRoute] { return NotAskable[[]WindowsRoute](NotLive, "") },
		Servers:   func() facts.Seen[[]string] { return NotAskable[[]string](NotLive, "") },
		Connections: func([]int, uint16) facts.Seen[[]facts.Socket] {
			return NotAskable[[]facts.Socket](NotLive, "")
		},
		Volume:   func(string) (Volume, error) { return Volume{}, errors.New(NotLive) },
		Elevated: func() facts.Seen[bool] { return privileged },
	}
}

func (h *hives) kernel() Kernel {
	k := Kernel{Synced: NotAskable[bool](NotLive, ""), Interfaces: NotAskable[[]facts.Interface](NotLive, ""), Links: NotAskable[[]facts.Link](NotLive, ""), Rules: NotAskable[[]facts.RoutingRule](NotLive, "")}
	state := h.strings(`SOFTWARE\Microsoft\Windows\CurrentVersion\Setup\State`, "ImageState")
	if k.ImageState = Likewise[string](state); state.Known() && len(state.Value) == 1 {
		k.ImageState = facts.Known(OneLine(state.Value[0], 100), state.From)
	}
	const routes = `SYSTEM\CurrentControlSet\Services\Tcpip\Parameters\PersistentRoutes`
	names, found, err := h.names(routes)
	switch {
	case err != nil:
		k.WindowsRoutes = Unknown[[]string](err, RegistryURL(routes))
	case !found:
		k.WindowsRoutes = facts.Known([]string{}, RegistryURL(routes))
	default:
		k.WindowsRoutes = facts.Known(names, RegistryURL(routes))
	}
	return k
}

func (h *hives) service(name string) facts.Seen[WindowsService] {
	key := `SYSTEM\CurrentControlSet\Services\` + name
	start := h.strings(key, "Start")
	if !start.Known() {
		return Likewise[WindowsService](start)
	}
	var unread facts.Seen[[]string]
	first := func(value string) string {
		s := h.strings(key, value)
		if len(s.Value) > 0 {
			return hiveText(s.Value[0]) // binary data would be as it is
		}
		if s.Unknown() {
			unread = s
		}
		return ""
	}
	const stopped = 1
	s := WindowsService{State: stopped, Path: strings.NewReplacer(`%ProgramFiles%`, `C:\Program Files`, `%SystemRoot%`, `C:\Windows`).Replace(first("ImagePath")), Account: first("ObjectName")}
	n, err := strconv.ParseUint(strings.Join(start.Value, " "), 10, 32)
	switch {
	case err != nil:
		return Unknown[WindowsService](fmt.Errorf("value Start: %w", errUndecodable), start.From)
	case unread.From != "":
		return Likewise[WindowsService](unread)
	}
	s.StartType = uint32(n)
	return facts.Known(s, start.From)
}

func (h *hives) strings(key, value string) facts.Seen[[]string] {
	from := RegistryURL(key)
	if !inHive(key) {
		return NotAskable[[]string](NotLive, from)
	}
	var out []string
	var odd error
	err := h.values(key, func(name string, v *regparser.CM_KEY_VALUE) bool {
		if strings.EqualFold(name, value) {
			if out, odd = textsOf(v); odd != nil {
				odd = fmt.Errorf("%s: %w", value, odd)
			}
		}
		return out == nil && odd == nil
	})
	switch {
	case err == nil && odd != nil:
		return Unknown[[]string](odd, from)
	case errors.Is(err, errNoKey):
		return facts.Absent[[]string]("no such key", from)
	case err != nil:
		return Unknown[[]string](err, from)
	case out == nil:
		return facts.Absent[[]string]("no such value", from)
	}
	return facts.Known(out, from)
}

func (h *hives) texts(key string) facts.Seen[[]string] {
	from := RegistryURL(key)
	if !inHive(key) {
		return NotAskable[[]string](NotLive, from)
	}
	out := []string{}
	err := h.values(key, func(name string, v *regparser.CM_KEY_VALUE) bool {
		if t := v.Type(); t == regparser.REG_SZ || t == regparser.REG_EXPAND_SZ {
			if s, err := textsOf(v); err == nil {
				out = append(out, name+"="+s[0])
			}
		}
		return len(out) < maxDirEntries
	})
	switch {
	case errors.Is(err, errNoKey):
		return facts.Absent[[]string]("no such key", from)
	case err != nil:
		return Unknown[[]string](err, from)
	}
	return facts.Known(out, from)
}

// names are the names of the values of a key; not found: there is no such key.
func (h *hives) names(key string) (out []string, found bool, err error) {
	err = h.values(key, func(name string, _ *regparser.CM_KEY_VALUE) bool {
		out = append(out, name)
		return len(out) < 1000
	})
	if errors.Is(err, errNoKey) {
		return nil, false, nil
	}
	return out, err == nil, err
}

var (
	errNoKey       = errors.New("no such key")
	errTooLarge    = errors.New("the value is too large to be read")
	errUndecodable = errors.New("the value cannot be decoded")
)

// inHive reports whether a key is kept in a file that belongs to no single user.
func inHive(key string) bool {
	root, _, _ := strings.Cut(key, `\`)
	return root == "SYSTEM" || root == "SOFTWARE" || root == ".DEFAULT"
}

// values calls each for the values of a key, until it says false.
func (h *hives) values(key string, each func(name string, v *regparser.CM_KEY_VALUE) bool) (err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	root, rest, _ := strings.Cut(key, `\`)
	file := map[string]string{".DEFAULT": "DEFAULT"}[root]
	if file == "" {
		file = root
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("/%s%s: damaged", hiveDir, file)
		}
	}()
	reg, err := h.file(file)
	if err != nil {
		return err
	}
	if set, ok := strings.CutPrefix(rest, `CurrentControlSet\`); ok && root == "SYSTEM" {
		rest = controlSet(reg) + `\` + set
	}
	k := reg.key(rest)
	if k == nil {
		return errNoKey
	}
	for _, v := range k.Values() {
		if !each(v.ValueName(), v) {
			break
		}
	}
	return nil
}

// controlSet is the one that the next start uses.
func controlSet(h *hive) string {
	if k := h.key("Select"); k != nil {
		for _, v := range k.Values() {
			if strings.EqualFold(v.ValueName(), "Default") || strings.EqualFold(v.ValueName(), "Current") {
				if n := v.ValueData().Uint64; n > 0 && n < 1000 {
					return fmt.Sprintf("ControlSet%03d", n)
				}
			}
		}
	}
	return "ControlSet001"
}

// file opens a hive, once.
func (h *hives) file(name string) (*hive, error) {
	o := h.open[name]
	if o == nil {
		o = &hive{kids: map[string]map[string]*regparser.CM_KEY_NODE{}}
		h.open[name] = o
		o.reg, o.err = openHive(h.fsys, path.Join(hiveDir, name))
	}
	return o, o.err
}

func openHive(fsys FileSystem, name string) (*regparser.Registry, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	opened := false
	defer func() {
		if !opened {
			f.Close()
		}
	}()
	r, ok := f.(io.ReaderAt)
	if !ok {
		return nil, pathError("read", name, ErrNotAFile)
	}
	// The base block begins with its mark and two numbers that differ while changes are
	// only in the logs beside it.
	var head [12]byte
	if _, err := r.ReadAt(head[:], 0); err != nil || string(head[:4]) != "regf" {
		return nil, pathError("read", name, errors.New("not a file of the registry"))
	}
	if binary.LittleEndian.Uint32(head[4:]) != binary.LittleEndian.Uint32(head[8:]) {
		return nil, pathError("read", name, errors.New("Windows was not shut down: the last changes are not in it"))
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	reg, err := regparser.NewRegistry(&countedReader{r, int(min(maxHiveReads, minHiveReads+info.Size()/4))})
	if err != nil {
		return nil, pathError("read", name, errors.New("not a file of the registry"))
	}
	opened = true
	return reg, nil
}

// maxHiveText is more than any text has that is asked for.
const maxHiveText = 2000

// hiveText is a text of a file that may be anybody's, fit to be shown.
func hiveText(s string) string { return OneLine(strings.TrimRight(s, "\x00"), maxHiveText) }

// textsOf is a value as Windows.Strings gives it; never nil without an error.
func textsOf(v *regparser.CM_KEY_VALUE) ([]string, error) {
	if v.DataSize() > maxValue {
		return nil, errTooLarge
	}
	d := v.ValueData()
	if d.Error != nil {
		return nil, errUndecodable
	}
	switch d.Type {
	case regparser.REG_SZ, regparser.REG_EXPAND_SZ:
		return []string{hiveText(d.String)}, nil
	case regparser.REG_MULTI_SZ:
		out := []string{}
		for _, s := range d.MultiSz {
			out = append(out, hiveText(s))
		}
		return out, nil
	case regparser.REG_DWORD, regparser.REG_QWORD:
		return []string{strconv.FormatUint(d.Uint64, 10)}, nil
	}
	return []string{string(d.Data)}, nil
}

// foldFS finds names in whatever case they are written, as Windows does.
type foldFS struct{ FileSystem }

func (f foldFS) name(name string) string {
	at := "."
	parts := strings.Split(Clean(name), "/")
	for i, c := range parts {
		next := path.Join(at, c)
		if _, err := f.FileSystem.Lstat(next); Missing(err) {
			es, err := f.FileSystem.ReadDir(at)
			if err != nil && len(es) == 0 {
				return path.Join(append([]string{at}, parts[i:]...)...)
			}
			for _, e := range es {
				if strings.EqualFold(e.Name(), c) {
					next = path.Join(at, e.Name())
				}
			}
		}
		at = next
	}
	return at
}

// Open opens a file or a directory.
func (f foldFS) Open(name string) (fs.File, error) { return f.FileSystem.Open(f.name(name)) }

// ReadDir lists a directory.
func (f foldFS) ReadDir(name string) ([]fs.DirEntry, error) {
	return f.FileSystem.ReadDir(f.name(name))
}

// Stat follows links.
func (f foldFS) Stat(name string) (fs.FileInfo, error) { return f.FileSystem.Stat(f.name(name)) }

// Lstat does not follow a last link.
func (f foldFS) Lstat(name string) (fs.FileInfo, error) { return f.FileSystem.Lstat(f.name(name)) }

// Readlink reads a last link.
func (f foldFS) Readlink(name string) (string, error) { return f.FileSystem.Readlink(f.name(name)) }
