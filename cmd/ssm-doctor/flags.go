package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ssm-doctor/agent/config"
	"ssm-doctor/agent/export"
	"ssm-doctor/agent/gather"
	"ssm-doctor/agent/gather/awsapi"
	"ssm-doctor/agent/report"
	"ssm-doctor/agent/safefile"
)

// target says what is examined.
type target struct {
	from     string
	root     string
	offline  bool
	region   string
	endpoint string
	features []string
	probes   []string
}

func (t *target) flags(fs *pflag.FlagSet) {
	fs.StringVar(&t.from, "from", "", "judge a facts `file` or bundle of collect instead of this host; - is standard input")
	fs.StringVar(&t.root, "root", "/", "`directory` that holds the root file system, for mounted images")
	fs.BoolVar(&t.offline, "offline", false, "send only to link-local addresses")
	fs.StringVar(&t.region, "region", "", "work against this `region` (default: detected)")
	fs.StringVar(&t.endpoint, "endpoint-url", "", "connect to this `host:port` in place of every AWS endpoint")
	fs.StringSliceVar(&t.features, "feature", nil, "also judge these Systems Manager `features`; permissions --table lists them")
	fs.StringSliceVar(&t.probes, "probe", nil, "also send the harmless reads of these `families`: "+strings.Join(awsapi.ProbeFamilies, ", "))
}

// validate refuses names that nobody knows and values that cannot be, which
// would look like a verdict.
func (t *target) validate() error {
	if err := config.CheckRegion(t.region); err != nil {
		return usagef("--region: %w", err)
	}
	if err := config.CheckEndpoint(t.endpoint); err != nil {
		return usagef("--endpoint-url: %w", err)
	}
	if t.from != "" && (t.root != "/" || t.region != "" || t.endpoint != "") {
		return usagef("--from judges what was collected: it takes no --root, --region or --endpoint-url")
	}
	for _, f := range t.features {
		if err := oneOf("--feature", f, featureIDs()...); err != nil {
			return err
		}
	}
	for _, f := range t.probes {
		if err := oneOf("--probe", f, awsapi.ProbeFamilies...); err != nil {
			return err
		}
	}
	return nil
}

// environment makes the real environment for the target. whole keeps lines of logs as
// they are.
func (t *target) environment(whole bool) (*gather.Env, error) {
	if err := t.validate(); err != nil {
		return nil, err
	}
	env, err := gather.Host(t.root)
	if err != nil {
		return nil, usagef("%w", err)
	}
	env.Offline, env.Region, env.EndpointURL = t.offline, t.region, t.endpoint
	env.Features, env.Probes, env.WholeLines = t.features, t.probes, whole
	env.Pseudonyms = gather.PseudonymKey(env)
	env.Version = versionString()
	env.UserAgent = "ssm-doctor/" + env.Version
	return env, nil
}

// output says how results are printed.
type output struct {
	format   string
	file     string
	color    string
	ascii    string
	redact   bool
	noRedact bool
	quiet    bool
	verbose  bool

	chosen *pflag.Flag // of the format
}

func (o *output) flags(fs *pflag.FlagSet) {
	fs.StringVarP(&o.format, "output", "o", "text", "`format`: "+strings.Join(formats(), ", "))
	fs.StringVarP(&o.file, "file", "f", "-", "write to this `file` instead of standard output")
	fs.StringVar(&o.color, "color", "auto", "colour, `when`: auto, always, never")
	fs.StringVar(&o.ascii, "ascii", "auto", "only ASCII, `when`: auto, always, never")
	fs.Lookup("ascii").NoOptDefVal = "always"
	fs.BoolVar(&o.redact, "redact", false, "leave out names, accounts and addresses; the default for all output but text on a terminal")
	fs.BoolVar(&o.noRedact, "no-redact", false, "show account numbers, role names, addresses and whole log lines")
	fs.BoolVarP(&o.quiet, "quiet", "q", false, "print one line: the verdict")
	fs.BoolVarP(&o.verbose, "verbose", "v", false, "print everything, and log to standard error")
	o.chosen = fs.Lookup("output")
}

func formats() []string { return append(slices.Clone(report.Formats), "prometheus", "openmetrics") }

func (o *output) validate() error {
	if err := oneOf("--output", o.format, formats()...); err != nil {
		return err
	}
	if o.redact && o.noRedact {
		return usagef("--redact and --no-redact exclude each other")
	}
	if err := o.fromName(); err != nil {
		return err
	}
	if err := oneOf("--color", o.color, "auto", "always", "never"); err != nil {
		return err
	}
	return oneOf("--ascii", o.ascii, "auto", "always", "never", "true", "false")
}

// byExtension is the format that the name of a file asks for.
var byExtension = map[string]string{
	"": "text", ".txt": "text", ".log": "text", ".out": "text", ".json": "json", ".jsonl": "jsonl", ".html": "html", ".htm": "html",
	".md": "markdown", ".xml": "junit", ".prom": "prometheus",
}

// fromName takes the format from the name of the file, unless it was given.
func (o *output) fromName() error {
	if o.chosen == nil || o.chosen.Changed || o.file == "" || o.file == "-" || safefile.Descriptor(o.file) >= 0 {
		return nil
	}
	ext := strings.TrimSuffix(strings.ToLower(filepath.Ext(o.file)), ".") // a folder is refused later
	format, ok := byExtension[ext]
	if !ok || !slices.Contains(formats(), format) {
		return usagef("--file %s: %s does not say which format; give it with -o", o.file, ext)
	}
	o.format = format
	return nil
}

// onTerminal reports whether a person reads the output as it is written.
func (o *output) onTerminal(a *app) bool {
	if o.file != "" && o.file != "-" || o.quiet || !slices.Contains([]string{"text", "short", "wide"}, o.format) {
		return false
	}
	f, ok := a.out.(*os.File)
	if !ok {
		return false
	}
	tty, _ := report.Terminal(f)
	return tty
}

// hidesNames reports whether names, accounts and addresses are left out: of all that is
// not text on the terminal of who runs the program, who needs them for the remedy.
func (o *output) hidesNames(a *app) bool {
	return !o.noRedact && (o.redact || !o.onTerminal(a))
}

// write prints a report the way the flags say.
func (o *output) write(a *app, r *report.Report) error {
	if o.hidesNames(a) {
		r = report.Redact(r)
	}
	err := a.create(o.file, func(w io.Writer) error {
		if o.format == "prometheus" || o.format == "openmetrics" {
			return export.Write(w, export.OneRun(r), export.Options{}, o.format == "openmetrics")
		}
		s := a.style(w, o.color, o.ascii)
		s.Quiet, s.Verbose = o.quiet, o.verbose || o.file != "" && o.file != "-"
		s.Brief = o.onTerminal(a) && !o.verbose
		return report.Write(w, o.format, r, s)
	})
	if err == nil && o.file != "" && o.file != "-" && a.errTerminal() != nil {
		fmt.Fprintf(a.err, "ssm-doctor: wrote %s to %s\n", o.format, report.Printable(o.file))
	}
	return err
}

// style is how text for w looks.
func (a *app) style(w io.Writer, color, ascii string) report.Style {
	tty, width := false, 0
	if f, ok := w.(*os.File); ok {
		tty, width = report.Terminal(f)
	}
	return report.StyleFor(a.getenv, tty, width, color, ascii)
}

// create calls write with standard output, or with a file that takes its final
// name only when it is whole. The file is readable by its owner only.
func (a *app) create(name string, write func(io.Writer) error) error {
	if name == "-" || name == "" || safefile.Descriptor(name) == 1 {
		return write(a.out)
	}
	if fd := safefile.Descriptor(name); fd >= 0 {
		f, err := safefile.OpenDescriptor(fd)
		return writeThrough(name, f, err, write)
	}
	if f, ok, err := safefile.OpenStream(name); ok || err != nil {
		return writeThrough(name, f, err, write)
	}
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	return notWritten(name, safefile.Replace(name, 0o600, b.Bytes()))
}

// writeThrough writes to what is no regular file and must stay what it is: a
// terminal, or a descriptor that this program was started with.
func writeThrough(name string, f *os.File, err error, write func(io.Writer) error) error {
	if err != nil {
		return notWritten(name, err)
	}
	err = write(f)
	if e := f.Close(); err == nil {
		err = e
	}
	return notWritten(name, err)
}

// notWritten says why a file was not written.
func notWritten(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, safefile.ErrRefused):
		return usagef("%w", err)
	}
	code := exitInternal
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ENOTDIR) {
		code = exitUsage // the name is wrong
	}
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	return &exitError{code, fmt.Errorf("write %s: %w", name, err)}
}

// readInput reads a file of at most limit bytes, or standard input for "-".
func (a *app) readInput(name string, limit int64) ([]byte, error) {
	in := a.in
	if name != "-" {
		f, err := safefile.OpenRead(name)
		if err != nil {
			return nil, usagef("%w", err)
		}
		defer f.Close()
		in = f
	}
	var buf bytes.Buffer
	if f, ok := in.(*os.File); ok { // one piece as large as the file, where it has a size
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			buf.Grow(int(min(info.Size(), limit)) + bytes.MinRead + 1)
		}
	}
	_, err := buf.ReadFrom(io.LimitReader(in, limit+1))
	b := buf.Bytes()
	if err != nil {
		return nil, usagef("read %s: %w", name, err)
	}
	if utf16 := bytes.HasPrefix(b, []byte("\xff\xfe")) || bytes.HasPrefix(b, []byte("\xfe\xff")); utf16 {
		limit /= 2 // it is there twice for a while
	}
	if int64(len(b)) > limit {
		return nil, usagef("%s is larger than %d bytes", name, limit)
	}
	return utf8Text(b), nil
}

// utf8Text drops the byte order mark, and turns UTF-16 with one, which
// PowerShell writes with >, into UTF-8.
func utf8Text(b []byte) []byte {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(b, []byte("\xff\xfe")):
		order = binary.LittleEndian
	case bytes.HasPrefix(b, []byte("\xfe\xff")):
		order = binary.BigEndian
	default:
		return bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	}
	out := make([]byte, 0, len(b)/2)
	for i := 2; i+1 < len(b); i += 2 {
		r := rune(order.Uint16(b[i:]))
		if utf16.IsSurrogate(r) && i+3 < len(b) {
			r, i = utf16.DecodeRune(r, rune(order.Uint16(b[i+2:]))), i+2
		}
		out = utf8.AppendRune(out, r)
	}
	return out
}

// fromEnvironment sets flags that were not given from SSM_DOCTOR_<FLAG>.
func (a *app) fromEnvironment(cmd *cobra.Command) error {
	var failed error
	wins := map[string]bool{} // over the variable of its opposite
	for name, other := range map[string]string{"redact": "no-redact", "no-redact": "redact"} {
		f := cmd.Flags().Lookup(name)
		wins[other] = f != nil && f.Changed && f.Value.String() == "true"
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Changed && (f.Name == "from" || f.Name == "root") && f.Value.String() == "" {
			failed = usagef("--%s is empty", f.Name) // an unset variable would mean this host
		}
		if f.Changed || failed != nil || wins[f.Name] {
			return
		}
		name := "SSM_DOCTOR_" + strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(f.Name))
		if v := a.getenv(name); v != "" {
			if err := cmd.Flags().Set(f.Name, v); err != nil {
				failed = usagef("%s: %w", name, err)
			}
		}
	})
	return failed
}

// logger writes trouble of our own to standard error; everything with verbose.
func (a *app) logger(verbose bool) *slog.Logger {
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: level}))
}
