package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
)

// notice is what a module that is linked into a program asks to be passed on.
type notice struct {
	module  string // path and version
	license string // SPDX
	texts   []string
}

var noticeFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([._-].*)?$`)

// licenses are told by sentences that only they hold, the longer ones first.
var licenses = []struct{ spdx, words string }{
	{"Apache-2.0", "Apache License Version 2.0"},
	{"MPL-2.0", "Mozilla Public License Version 2.0"},
	{"BSD-3-Clause", "Neither the name of"},
	{"BSD-3-Clause", "names of its contributors may not be used to endorse"},
	{"BSD-2-Clause", "Redistributions in binary form must reproduce the above copyright notice"},
	{"ISC", "Permission to use, copy, modify, and/or distribute this software"},
	{"ISC", "Permission to use, copy, modify, and distribute this software for any purpose with or without fee"},
	{"Zlib", "Altered source versions must be plainly marked as such"},
	{"MIT", "Permission is hereby granted, free of charge, to any person obtaining a copy"},
}

// licenseOf names the licenses in a text; empty when none is known.
func licenseOf(text string) []string {
	words := strings.Join(strings.Fields(text), " ")
	var found []string
	for _, l := range licenses {
		// A text with three clauses holds the sentences of that with two.
		if strings.Contains(words, l.words) && !slices.Contains(found, l.spdx) && !(l.spdx == "BSD-2-Clause" && slices.Contains(found, "BSD-3-Clause")) {
			found = append(found, l.spdx)
		}
	}
	slices.Sort(found)
	return found
}

// folderNotice reads the licenses and notices of a module's folder.
func folderNotice(module, dir string) (notice, error) {
	n := notice{module: module}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return n, err
	}
	var spdx []string
	for _, e := range entries {
		if e.IsDir() || !noticeFile.MatchString(e.Name()) || strings.HasSuffix(e.Name(), ".go") {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return n, err
		}
		text := strings.TrimSpace(strings.ReplaceAll(string(b), "\r\n", "\n"))
		n.texts = append(n.texts, text)
		for _, l := range licenseOf(text) {
			if !slices.Contains(spdx, l) {
				spdx = append(spdx, l)
			}
		}
	}
	if len(spdx) == 0 {
		return n, fmt.Errorf("%s: no license that is known in %s", module, dir)
	}
	slices.Sort(spdx)
	n.license = strings.Join(spdx, " AND ")
	return n, nil
}

// folders asks the module cache where the modules are.
func folders(ctx context.Context) (map[string]string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-json", "all")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list -m: %w", err)
	}
	dirs := map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var m struct {
			Path, Version, Dir string
			Replace            *struct{ Path, Version, Dir string }
		}
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			return dirs, nil
		} else if err != nil {
			return nil, err
		}
		if m.Replace != nil {
			m.Path, m.Version, m.Dir = m.Replace.Path, m.Replace.Version, m.Replace.Dir
		}
		dirs[m.Path+"@"+m.Version] = m.Dir
	}
}

// linked lists the modules of programs, with what they ask to be passed on, sorted. What
// is replaced by a folder of this repository is ours.
func linked(ctx context.Context, programs []string) ([]notice, error) {
	dirs, err := folders(ctx)
	if err != nil {
		return nil, err
	}
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOROOT: %w", err)
	}
	all := map[string]notice{}
	for _, p := range programs {
		info, err := buildinfo.ReadFile(p)
		if err != nil {
			return nil, fmt.Errorf("read the build info of %s: %w", p, err)
		}
		std := "std@" + strings.TrimPrefix(info.GoVersion, "go")
		if all[std], err = folderNotice(std, strings.TrimSpace(string(root))); err != nil {
			return nil, err
		}
		for _, m := range info.Deps {
			if ours(m) {
				continue
			}
			if m.Replace != nil {
				m = m.Replace
			}
			key := m.Path + "@" + m.Version
			if dirs[key] == "" {
				return nil, fmt.Errorf("%s is not in the module cache", key)
			}
			if all[key], err = folderNotice(key, dirs[key]); err != nil {
				return nil, err
			}
		}
	}
	var list []notice
	for _, n := range all {
		list = append(list, n)
	}
	slices.SortFunc(list, func(a, b notice) int { return cmp.Compare(a.module, b.module) })
	return list, nil
}

// ours: a module whose place a folder of this repository takes.
func ours(m *debug.Module) bool {
	return m.Replace != nil && (strings.HasPrefix(m.Replace.Path, "./") || filepath.IsAbs(m.Replace.Path))
}

// notices writes the texts for programs, each text once.
func notices(ctx context.Context, programs []string, out io.Writer) error {
	list, err := linked(ctx, programs)
	if err != nil {
		return err
	}
	return writeNotices(list, out)
}

func writeNotices(list []notice, out io.Writer) error {
	var b strings.Builder
	b.WriteString("ssm-doctor is licensed under the Apache License, Version 2.0. Its programs hold these\nmodules of others, whose licenses and notices follow.\n\n")
	type group struct {
		text    string
		modules []string
	}
	seen := map[[32]byte]*group{}
	var order []*group
	for _, n := range list {
		fmt.Fprintf(&b, "  %s  (%s)\n", n.module, n.license)
		for _, text := range n.texts {
			key := sha256.Sum256([]byte(text))
			if seen[key] == nil {
				seen[key] = &group{text: text}
				order = append(order, seen[key])
			}
			seen[key].modules = append(seen[key].modules, n.module)
		}
	}
	for _, g := range order {
		fmt.Fprintf(&b, "\n%s\n%s\n\n%s\n", strings.Repeat("=", 78), strings.Join(g.modules, "\n"), g.text)
	}
	_, err := io.WriteString(out, b.String())
	return err
}
