package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"sort"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"ssm-doctor/agent/safefile"
)

// maxFile bounds the configuration file.
const maxFile = 256 << 10

// Overrides are the values of flags that were given, by the flag's name.
type Overrides map[string][]string

// AddFlags adds a flag for every setting. The returned function collects those
// that were given, once the flags are parsed.
func AddFlags(fs *pflag.FlagSet, n Names) func() Overrides {
	scratch := settings(Default(), n)
	for _, s := range scratch {
		f := fs.VarPF(s.value, s.flag, "", s.help) // a word in backquotes stands for the value
		if s.value.Type() == "bool" {
			f.NoOptDefVal = "true"
		}
	}
	return func() Overrides {
		o := Overrides{}
		for _, s := range scratch {
			if !fs.Changed(s.flag) {
				continue
			}
			if l, ok := s.value.(listValue); ok {
				o[s.flag] = *l.p
			} else {
				o[s.flag] = []string{s.value.String()}
			}
		}
		return o
	}
}

// Env is the variable of a flag.
func Env(flag string) string {
	return "SSM_DOCTOR_" + strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(flag))
}

// Load makes a configuration. A missing file is an error when it was named.
func Load(file string, named bool, getenv func(string) string, flags Overrides, n Names) (*Config, error) {
	c := Default()
	if dir, _, _ := strings.Cut(getenv("STATE_DIRECTORY"), ":"); dir != "" { // systemd
		c.StateDir = dir
	}
	table := settings(c, n)
	var wrong []error
	b, err := readFile(file)
	switch {
	case errors.Is(err, os.ErrNotExist) && !named:
	case err != nil:
		return nil, fmt.Errorf("read configuration: %w", err)
	default:
		if err := apply(table, b); err != nil {
			for one := range each(err) {
				wrong = append(wrong, fmt.Errorf("%s: %w", file, one))
			}
		}
	}
	for _, s := range table {
		if v := getenv(Env(s.flag)); v != "" {
			if l, ok := s.value.(listValue); ok {
				*l.fresh = true
			}
			if err := s.value.Set(v); err != nil {
				wrong = append(wrong, fmt.Errorf("%s: %w", Env(s.flag), err))
			}
		}
		if v, ok := flags[s.flag]; ok {
			if err := s.value.setAll(v); err != nil {
				wrong = append(wrong, fmt.Errorf("--%s: %w", s.flag, err))
			}
		}
	}
	if len(wrong) == 0 {
		wrong = append(wrong, c.validate())
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	return c, nil
}

// each yields the errors that are joined in one.
func each(err error) iter.Seq[error] {
	return func(yield func(error) bool) {
		if list, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range list.Unwrap() {
				for one := range each(e) {
					if !yield(one) {
						return
					}
				}
			}
			return
		}
		yield(err)
	}
}

// Check reads a configuration by itself, without environment and flags.
func Check(file string, n Names) (*Config, error) {
	return Load(file, true, func(string) string { return "" }, nil, n)
}

func readFile(name string) ([]byte, error) {
	f, err := safefile.OpenRead(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxFile)
	}
	return b, nil
}

// apply sets what a file holds. Every key must be known; errors name the line.
func apply(table []setting, b []byte) error {
	var doc yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return nil
	} else if err != nil {
		return fmt.Errorf("is not YAML: %s", WithoutValues(strings.TrimPrefix(err.Error(), "yaml: ")))
	}
	var more yaml.Node
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return errors.New("more than one document")
	}
	if len(doc.Content) != 1 {
		return nil
	}
	return mapping(table, map[string]bool{}, "", doc.Content[0])
}

func mapping(table []setting, seen map[string]bool, prefix string, n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil // a section whose lines are all commented out
	}
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: wants keys with values", n.Line)
	}
	var wrong []error
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode {
			wrong = append(wrong, fmt.Errorf("line %d: a key that is not a word", k.Line))
			continue
		}
		key := prefix + k.Value
		if seen[key] {
			wrong = append(wrong, fmt.Errorf("line %d: %s is set twice", k.Line, quoted(key)))
			continue
		}
		seen[key] = true
		s, section := find(table, key)
		switch {
		case section:
			wrong = append(wrong, mapping(table, seen, key+".", v))
		case s == nil:
			how := hint(key, keys(table, prefix))
			if how == "" {
				how = `; "ssm-doctor config show" prints every key`
			}
			wrong = append(wrong, fmt.Errorf("line %d: unknown key %s%s", k.Line, quoted(key), how))
		default:
			if err := assign(s, v); err != nil {
				wrong = append(wrong, fmt.Errorf("line %d: %s: %w", v.Line, key, err))
			}
		}
	}
	return errors.Join(wrong...)
}

// find returns the setting of a key, or whether it begins some.
func find(table []setting, key string) (*setting, bool) {
	for i := range table {
		if table[i].key == key {
			return &table[i], false
		}
		if strings.HasPrefix(table[i].key, key+".") {
			return nil, true
		}
	}
	return nil, false
}

// keys are the possible keys below a prefix, and all whole ones.
func keys(table []setting, prefix string) []string {
	var out []string
	for _, s := range table {
		out = append(out, s.key)
		if rest, ok := strings.CutPrefix(s.key, prefix); ok {
			first, _, _ := strings.Cut(rest, ".")
			out = append(out, prefix+first)
		}
	}
	sort.Strings(out)
	return out
}

func assign(s *setting, v *yaml.Node) error {
	switch v.Kind {
	case yaml.ScalarNode:
		if v.Tag == "!!null" {
			return nil // "key:" alone keeps the default
		}
		if _, ok := s.value.(listValue); ok && v.Value == "" {
			return s.value.setAll(nil)
		}
		return s.value.setAll([]string{v.Value})
	case yaml.SequenceNode:
		if _, ok := s.value.(listValue); !ok {
			return errors.New("wants one value, not a list")
		}
		var list []string
		for _, m := range v.Content {
			if m.Kind != yaml.ScalarNode {
				return errors.New("wants a list of words")
			}
			list = append(list, m.Value)
		}
		return s.value.setAll(list)
	case yaml.AliasNode:
		return errors.New("aliases are not accepted")
	}
	return errors.New("wants a value, not keys")
}
