package sim

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"ssm-doctor/agent/gather"
)

// node is a file, directory or link.
type node struct {
	name string
	mode fs.FileMode
	data []byte
	link string
	kids map[string]*node
	at   time.Time
	uid  int
	flag string
}

// tree is a file system in memory; names are relative to its root. It is not
// changed once it is in use.
type tree struct {
	root      *node
	now       time.Time
	mountinfo string // of the init process
}

func newTree(now time.Time) *tree {
	return &tree{root: &node{name: ".", mode: fs.ModeDir | 0o755, kids: map[string]*node{}, at: now}, now: now}
}

func split(name string) []string {
	name = strings.Trim(path.Clean("/"+strings.ReplaceAll(name, `\`, "/")), "/")
	if name == "" {
		return nil
	}
	return strings.Split(name, "/")
}

// dir makes a directory and its parents and returns it.
func (t *tree) dir(name string, mode fs.FileMode) *node {
	at := t.root
	parts := split(name)
	for i, p := range parts {
		k := at.kids[p]
		if k == nil || k.kids == nil {
			k = &node{name: p, mode: fs.ModeDir | 0o755, kids: map[string]*node{}, at: t.now}
			at.kids[p] = k
		}
		if i == len(parts)-1 && mode != 0 {
			k.mode = fs.ModeDir | mode
		}
		at = k
	}
	return at
}

func (t *tree) put(name string, n *node) *node {
	d := t.dir(path.Dir(path.Clean("/"+name)), 0)
	n.name = path.Base(name)
	if n.at.IsZero() {
		n.at = t.now
	}
	d.kids[n.name] = n
	return n
}

func (t *tree) file(name, content string, mode fs.FileMode) *node {
	return t.put(name, &node{data: []byte(content), mode: mode})
}

func (t *tree) symlink(name, target string) {
	t.put(name, &node{link: target, mode: fs.ModeSymlink | 0o777})
}

func (t *tree) remove(name string) {
	parts := split(name)
	at := t.root
	for i, p := range parts {
		if i == len(parts)-1 {
			delete(at.kids, p)
			return
		}
		if at = at.kids[p]; at == nil {
			return
		}
	}
}

// view is the tree as one user sees it. Its tree may be another one tomorrow.
type view struct {
	tree func() *tree
	uid  int
}

var _ gather.FileSystem = view{}

func (v view) fail(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: "/" + strings.Join(split(name), "/"), Err: err}
}

// allowed reports whether the user has a right (4 read, 1 search) on a node.
func (v view) allowed(n *node, right fs.FileMode) bool {
	if v.uid == 0 {
		return true
	}
	if n.uid == v.uid {
		right <<= 6
	}
	return n.mode.Perm()&right != 0
}

// find returns the node of a name; with last, a link at its end is followed.
func (v view) find(op, name string, last bool) (*node, error) {
	t := v.tree()
	rest := split(name)
	at := []*node{t.root}
	links := 0
	for len(rest) > 0 {
		d := at[len(at)-1]
		if d.kids == nil {
			return nil, v.fail(op, name, fs.ErrNotExist)
		}
		if !v.allowed(d, 1) {
			return nil, v.fail(op, name, fs.ErrPermission)
		}
		c := rest[0]
		rest = rest[1:]
		if c == ".." {
			at = at[:max(1, len(at)-1)]
			continue
		}
		n := d.kids[c]
		switch {
		case n == nil:
			return nil, v.fail(op, name, fs.ErrNotExist)
		case n.mode&fs.ModeSymlink != 0 && (last || len(rest) > 0):
			if links++; links > 40 {
				return nil, v.fail(op, name, gather.ErrLinkLoop)
			}
			if path.IsAbs(n.link) {
				at = at[:1]
			}
			target := slices.DeleteFunc(strings.Split(n.link, "/"), func(s string) bool { return s == "" || s == "." })
			rest = append(target, rest...)
		default:
			at = append(at, n)
		}
	}
	return at[len(at)-1], nil
}

// Open opens a regular file or a directory.
func (v view) Open(name string) (fs.File, error) {
	n, err := v.find("open", name, true)
	if err != nil {
		return nil, err
	}
	if !n.mode.IsRegular() && n.kids == nil {
		return nil, v.fail("open", name, gather.ErrNotAFile)
	}
	if !v.allowed(n, 4) {
		return nil, v.fail("open", name, fs.ErrPermission)
	}
	return &openFile{Reader: bytes.NewReader(n.data), n: n}, nil
}

// Flag is what gather.FlagOf asks for.
func (v view) Flag(name string) string {
	n, err := v.find("statx", name, true)
	if err != nil {
		return ""
	}
	return n.flag
}

// Stat follows links.
func (v view) Stat(name string) (fs.FileInfo, error) {
	n, err := v.find("stat", name, true)
	if err != nil {
		return nil, err
	}
	return info{n}, nil
}

// Lstat does not follow a last link.
func (v view) Lstat(name string) (fs.FileInfo, error) {
	n, err := v.find("lstat", name, false)
	if err != nil {
		return nil, err
	}
	return info{n}, nil
}

// Readlink reads a last link.
func (v view) Readlink(name string) (string, error) {
	n, err := v.find("readlink", name, false)
	if err != nil {
		return "", err
	}
	if n.mode&fs.ModeSymlink == 0 {
		return "", v.fail("readlink", name, errors.New("not a link"))
	}
	// The kernel shows what a process runs to its owner only.
	if strings.HasPrefix(path.Clean("/"+name), "/proc/") && v.uid != 0 && n.uid != v.uid {
		return "", v.fail("readlink", name, fs.ErrPermission)
	}
	return n.link, nil
}

// ReadDir lists a directory by name.
func (v view) ReadDir(name string) ([]fs.DirEntry, error) {
	f, err := v.Open(name)
	if err != nil {
		return nil, err
	}
	d, ok := f.(*openFile)
	if !ok || d.n.kids == nil {
		return nil, v.fail("readdir", name, gather.ErrNotAFile)
	}
	return d.ReadDir(-1)
}

// owner is gather.Env.Owner for nodes of a tree.
func owner(fi fs.FileInfo) (int, bool) {
	i, ok := fi.(info)
	if !ok {
		return 0, false
	}
	return i.n.uid, true
}

type info struct{ n *node }

func (i info) Name() string       { return i.n.name }
func (i info) Size() int64        { return int64(len(i.n.data)) }
func (i info) Mode() fs.FileMode  { return i.n.mode }
func (i info) ModTime() time.Time { return i.n.at }
func (i info) IsDir() bool        { return i.n.kids != nil }
func (i info) Sys() any           { return nil }

type openFile struct {
	*bytes.Reader
	n      *node
	listed bool
}

func (f *openFile) Stat() (fs.FileInfo, error) { return info{f.n}, nil }
func (f *openFile) Close() error               { return nil }

// ReadDir gives all entries at once.
func (f *openFile) ReadDir(n int) ([]fs.DirEntry, error) {
	if f.listed && n > 0 {
		return nil, io.EOF
	}
	f.listed = true
	var out []fs.DirEntry
	for _, name := range slices.Sorted(maps.Keys(f.n.kids)) {
		out = append(out, fs.FileInfoToDirEntry(info{f.n.kids[name]}))
	}
	return out, nil
}
