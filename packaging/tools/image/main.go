// Command image makes a container image of several architectures without a daemon: an OCI
// layout in one tar file, the same bytes each time.
//
//	image -version V -commit C -time SECONDS -out FILE.tar ARCH=ROOT...
//
// ROOT is a folder with the files of that architecture, all owned by root in the image.
package main

import (
	"archive/tar"
	"bytes"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func main() {
	log.SetFlags(0)
	version := flag.String("version", "", "`release`")
	commit := flag.String("commit", "", "`commit` that it was built of")
	seconds := flag.Int64("time", 0, "time of the commit, `seconds` since 1970")
	out := flag.String("out", "", "tar `file` to write")
	flag.Parse()
	if *version == "" || *out == "" || flag.NArg() == 0 {
		flag.Usage()
		os.Exit(64)
	}
	if err := build(*version, *commit, time.Unix(*seconds, 0).UTC(), *out, flag.Args()); err != nil {
		log.Fatal("image: ", err)
	}
}

func build(version, commit string, when time.Time, out string, roots []string) error {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	annotations := map[string]string{
		"org.opencontainers.image.title":    "ssm-doctor",
		"org.opencontainers.image.version":  version,
		"org.opencontainers.image.revision": commit,
		"org.opencontainers.image.licenses": "Apache-2.0",
		"org.opencontainers.image.created":  when.Format(time.RFC3339),
	}
	for _, r := range roots {
		arch, root, ok := strings.Cut(r, "=")
		if !ok {
			return fmt.Errorf("%q is not ARCH=ROOT", r)
		}
		image, err := one(arch, root, when, annotations)
		if err != nil {
			return err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: "linux", Architecture: arch}, Annotations: annotations,
		}})
	}
	dir, err := os.MkdirTemp("", "image")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if _, err := layout.Write(dir, index); err != nil {
		return err
	}
	b, err := pack(dir, when)
	if err != nil {
		return err
	}
	return os.WriteFile(out, b, 0o644)
}

// one is the image of an architecture: one layer with all files.
func one(arch, root string, when time.Time, labels map[string]string) (v1.Image, error) {
	content, err := pack(root, when)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.Append(image, mutate.Addendum{Layer: layer, History: v1.History{CreatedBy: "packaging/tools/image", Created: v1.Time{Time: when}}})
	if err != nil {
		return nil, err
	}
	c, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	c = c.DeepCopy()
	c.OS, c.Architecture, c.Created = "linux", arch, v1.Time{Time: when}
	c.Config.Entrypoint = []string{"/enter", "/host", "/ssm-doctor"}
	c.Config.Cmd = []string{"serve"}
	c.Config.Labels = labels
	return mutate.ConfigFile(image, c)
}

// pack makes a tar that depends on nothing but names and contents; regular files and
// folders alone.
func pack(dir string, when time.Time) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		h := &tar.Header{Name: filepath.ToSlash(name), Mode: 0o644, ModTime: when, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
		switch {
		case d.IsDir():
			h.Name, h.Mode, h.Typeflag = h.Name+"/", 0o755, tar.TypeDir
			return w.WriteHeader(h)
		case !info.Mode().IsRegular():
			return fmt.Errorf("%s is no regular file", path)
		case info.Mode()&0o100 != 0:
			h.Mode = 0o755
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		h.Size = int64(len(content))
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		_, err = w.Write(content)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
