package main

import (
	"cmp"
	"context"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"ssm-doctor/agent/engine"
	"ssm-doctor/agent/gather/awsapi"
	"ssm-doctor/agent/report"
	"ssm-doctor/checks/facts"
	"ssm-doctor/checks/iam"
	"ssm-doctor/checks/node"
)

// permissionFlags are the flags of permissions.
type permissionFlags struct {
	target
	output
	timeout time.Duration

	policies, boundary, session, endpointPolicy []string
	scp, rcp                                    []string // each value is one level
	role                                        string

	minimal, table, diff bool
	all                  bool
	trust, kind          string
	node                 iam.Target
	failOn               string
}

// sources are the values of --kind and their names in the feature matrix.
var sources = map[string]string{"ec2": iam.SourceProfile, "dhmc": iam.SourceDHMC, "hybrid": iam.SourceHybrid}

func newPermissionsCmd(a *app) *cobra.Command {
	var p permissionFlags
	cmd := &cobra.Command{
		Use:   "permissions",
		Short: "Say which features the node's rights serve",
		Long: "Says for each Systems Manager feature whether the rights of this node serve it,\n" +
			"and which layer denies what. Without flags it observes and sends harmless reads\n" +
			"only. With --policy it judges documents instead, and needs no node. It also\n" +
			"prints what to attach (--minimal), trust policies (--trust), the table of\n" +
			"features and policies (--table), and what a change of policies gains and loses\n" +
			"(--diff; with --from also what it makes of that node).\n\n" +
			"Exit code: 0; 1 when a feature in use or asked for is denied something that it\n" +
			"needs, or a change loses one; 2 when registration or the message channel is\n" +
			"denied; 3 when there is nothing to judge. Unknown is not denied.",
		Example: "  ssm-doctor permissions --probe parameters --parameter-path /app\n" +
			"  ssm-doctor permissions --policy role.json --scp scp.json\n" +
			"  ssm-doctor permissions --policy account.json --all -o csv\n" +
			"  ssm-doctor permissions --minimal --feature session-manager,run-command",
		RunE: func(cmd *cobra.Command, args []string) error { return p.run(cmd, a, args) },
	}
	fs := cmd.Flags()
	p.target.flags(fs)
	p.output.flags(fs)
	fs.Lookup("output").Usage = "`format`: " + strings.Join(report.PermissionFormats, ", ")
	_ = fs.MarkHidden("quiet")
	durationVar(fs, &p.timeout, "timeout", engine.DefaultBudget, "longest `duration` of a run")
	fs.StringSliceVar(&p.policies, "policy", nil, "judge the documents in these `files` as the role's policies")
	fs.StringVar(&p.role, "role", "", "`name` of the role in the output of get-account-authorization-details")
	fs.BoolVar(&p.all, "all", false, "one row for each role of an instance profile in the output of get-account-authorization-details: features, trust, what to attach and detach")
	fs.StringSliceVar(&p.boundary, "boundary", nil, "permissions boundary in this `file`")
	fs.StringSliceVar(&p.session, "session-policy", nil, "session policy in this `file`")
	fs.StringArrayVar(&p.scp, "scp", nil, "`files` of one level of service control policies, with commas; repeat for each level")
	fs.StringArrayVar(&p.rcp, "rcp", nil, "the same `files` of resource control policies")
	fs.StringSliceVar(&p.endpointPolicy, "endpoint-policy", nil, "VPC endpoint policy in this `file`, or SERVICE=FILE")
	fs.StringVar(&p.kind, "kind", "", "`kind` of role to judge for: ec2, dhmc, hybrid (default: that of the node)")
	fs.BoolVar(&p.minimal, "minimal", false, "print the least to attach for --feature, or for the features in use")
	fs.StringVar(&p.trust, "trust", "", "print the trust policy of a `kind` of role: "+strings.Join(iam.TrustKinds, ", "))
	fs.BoolVar(&p.table, "table", false, "print which policy serves which feature")
	fs.BoolVar(&p.diff, "diff", false, "say what a change from the first file to the second gains and loses")
	fs.StringVar(&p.node.Account, "account", "", "account `number` for --minimal and --trust (default: detected)")
	fs.StringVar(&p.node.Partition, "partition", "", "`partition` for --minimal and --trust (default: detected)")
	fs.StringSliceVar(&p.node.Buckets, "bucket", nil, "output `buckets`, each with /PREFIX if wanted")
	fs.BoolVar(&p.node.ForeignBucket, "foreign-bucket", false, "the buckets belong to another account")
	fs.StringSliceVar(&p.node.LogGroups, "log-group", nil, "log `groups` of output")
	fs.StringSliceVar(&p.node.Parameters, "parameter-path", nil, "`paths` of parameters, for --minimal and --probe parameters")
	fs.StringSliceVar(&p.node.Keys, "kms-key", nil, "`ids` or ARNs of KMS keys")
	fs.StringVar(&p.node.Directory, "directory", "", "directory `id` for domain-join")
	fs.BoolVar(&p.node.Conditional, "conditional", false, "--minimal also grants what is needed in some situations only")
	fs.StringVar(&p.failOn, "fail-on", "denied", "`when` the exit code is not 0: denied, never")
	for flag, values := range map[string][]string{"output": report.PermissionFormats, "trust": iam.TrustKinds, "kind": {"ec2", "dhmc", "hybrid"}, "fail-on": {"denied", "never"}, "probe": awsapi.ProbeFamilies, "partition": {"aws", "aws-cn", "aws-us-gov"}} {
		_ = cmd.RegisterFlagCompletionFunc(flag, choices(values))
	}
	_ = cmd.RegisterFlagCompletionFunc("feature", choicesOf(featureChoices))
	return cmd
}

func featureIDs() []string {
	var ids []string
	for _, f := range iam.Features() {
		ids = append(ids, f.ID)
	}
	return ids
}

func (p *permissionFlags) validate(cmd *cobra.Command, args []string) error {
	for _, x := range []struct {
		flag, value string
		allowed     []string
	}{{"--output", p.format, report.PermissionFormats}, {"--color", p.color, []string{"auto", "always", "never"}}, {"--ascii", p.ascii, []string{"auto", "always", "never", "true", "false"}},
		{"--fail-on", p.failOn, []string{"denied", "never"}}} {
		if err := oneOf(x.flag, x.value, x.allowed...); err != nil {
			return err
		}
	}
	if p.trust != "" {
		if err := oneOf("--trust", p.trust, iam.TrustKinds...); err != nil {
			return err
		}
	}
	if p.kind != "" {
		if err := oneOf("--kind", p.kind, "ec2", "dhmc", "hybrid"); err != nil {
			return err
		}
	}
	modes := []string{}
	for flag, on := range map[string]bool{"--minimal": p.minimal, "--trust": p.trust != "", "--table": p.table, "--diff": p.diff, "--policy": len(p.policies) > 0} {
		if on {
			modes = append(modes, flag)
		}
	}
	slices.Sort(modes)
	if len(modes) > 1 {
		return usagef("%s do not go together", strings.Join(modes, " and "))
	}
	switch {
	case p.diff && len(args) != 2:
		return usagef("--diff takes two files, the old policies and the new ones")
	case !p.diff && len(args) > 0:
		return usagef("permissions takes no arguments, got %q; documents are given with --policy", args)
	case p.timeout <= 0:
		return usagef("--timeout must be positive")
	}
	given := p.node
	given.Region = p.region
	if _, bad := given.Clean(); len(bad) > 0 && !slices.Equal(bad, []string{p.region}) {
		return notForPolicy(cmd, bad)
	}
	for _, other := range []string{"boundary", "session-policy", "scp", "rcp", "endpoint-policy", "role", "all"} {
		if cmd.Flags().Changed(other) && len(p.policies) == 0 && !p.diff {
			return usagef("--%s goes with --policy", other)
		}
	}
	return nil
}

// policyValues are the flags whose values go into policies, and what such a value looks like.
var policyValues = [][2]string{
	{"partition", "aws, aws-cn or aws-us-gov"}, {"account", "111122223333"}, {"bucket", "my-bucket/prefix"}, {"log-group", "/aws/ssm/output"},
	{"parameter-path", "/app/prod"}, {"kms-key", "an id or ARN of a key"}, {"directory", "d-0123456789"},
}

// notForPolicy says which flag holds the first of the bad values.
func notForPolicy(cmd *cobra.Command, bad []string) error {
	for _, v := range policyValues {
		f := cmd.Flags().Lookup(v[0])
		given := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			given = list.GetSlice()
		}
		if slices.Contains(given, bad[0]) {
			return usagef("--%s: %q cannot go into a policy; it looks like %s", f.Name, bad[0], v[1])
		}
	}
	return usagef("%q cannot go into a policy", bad[0])
}

// run prints what was asked for.
func (p *permissionFlags) run(cmd *cobra.Command, a *app, args []string) error {
	if err := a.fromEnvironment(cmd); err != nil {
		return err
	}
	if err := p.validate(cmd, args); err != nil {
		return err
	}
	if err := p.target.validate(); err != nil {
		return err
	}
	ctx := cmd.Context()
	switch {
	case p.table:
		return p.printTable(a)
	case p.trust != "":
		return p.printTrust(ctx, a)
	case p.minimal:
		return p.printMinimal(ctx, a)
	case p.diff:
		return p.printDiff(a, args[0], args[1])
	case p.all:
		return p.printAudit(a)
	case len(p.policies) > 0:
		return p.judgeDocuments(a)
	}
	r, err := p.examine(ctx, a)
	if err != nil {
		return err
	}
	if err := p.print(a, r); err != nil {
		return err
	}
	if r.Interrupted {
		return &exitError{code: exitInterrupted}
	}
	return p.verdict(r)
}

// examine reports on this host, on another root, or from facts.
func (p *permissionFlags) examine(ctx context.Context, a *app) (*report.Report, error) {
	o := engine.Options{Budget: p.timeout, Log: a.logger(p.verbose)}
	if p.from != "" {
		f, err := a.readFacts(p.from, p.noRedact)
		if err != nil {
			return nil, err
		}
		f.Asked = append(f.Asked, p.features...)
		r := engine.Judge(f, o)
		r.CheckedFrom = p.from
		return r, nil
	}
	env, err := p.environment(p.noRedact)
	if err != nil {
		return nil, err
	}
	env.Parameters = p.node.Parameters
	o.Waves = engine.Waves{SkipNetwork: !env.Live}
	show := a.progress(p.output)
	o.Progress = show.sources
	r, _ := engine.Run(ctx, env, o)
	show.erase()
	return r, nil
}

// facts are those of the node that documents are for: from a file, or of this
// host without its network. Nil when everything was given.
func (p *permissionFlags) facts(ctx context.Context, a *app) (*facts.Facts, error) {
	if p.from != "" {
		return a.readFacts(p.from, p.noRedact)
	}
	if p.region != "" && p.node.Account != "" {
		return nil, nil
	}
	env, err := p.environment(p.noRedact)
	if err != nil {
		return nil, err
	}
	return engine.Collect(ctx, env, engine.Options{Budget: p.timeout, Log: a.logger(p.verbose), Waves: engine.Waves{SkipNetwork: true}}), nil
}

// targetOf merges the flags over what is known of the node.
func (p *permissionFlags) targetOf(f *facts.Facts) iam.Target {
	t := p.node
	known := iam.Target{}
	if f != nil {
		known, _ = engine.TargetOf(node.Of(f)).Clean() // the facts may be anybody's
	}
	t.Partition = cmp.Or(t.Partition, known.Partition)
	t.Region = cmp.Or(p.region, known.Region)
	t.Account = cmp.Or(t.Account, known.Account)
	t.Source = cmp.Or(sources[p.kind], known.Source)
	t.GOOS = known.GOOS
	if len(t.Buckets) == 0 {
		t.Buckets = known.Buckets
	}
	if len(t.LogGroups) == 0 {
		t.LogGroups = known.LogGroups
	}
	return t
}

// print writes the matrix.
func (p *permissionFlags) print(a *app, r *report.Report) error {
	if p.hidesNames(a) {
		r = report.Redact(r)
	}
	return a.create(p.file, func(w io.Writer) error {
		tty, width := false, 0
		if f, ok := w.(*os.File); ok {
			tty, width = report.Terminal(f)
		}
		format := p.format
		if format == "text" && p.verbose {
			format = "wide"
		}
		return report.WritePermissions(w, format, r, report.StyleFor(a.getenv, tty, width, p.color, p.ascii))
	})
}

// verdict is the exit code: denied counts for features in use or asked for.
func (p *permissionFlags) verdict(r *report.Report) error {
	code := exitManaged
	for _, f := range r.Features {
		if !f.InUse || f.Ready != iam.ReadyNo {
			continue
		}
		code = max(code, exitDegraded)
		if f.ID == "core" || f.ID == "messaging" {
			code = exitNotManaged
		}
	}
	if len(r.Features) == 0 {
		code = exitUnknown // no credentials of a node, so nothing was judged
	}
	if code == exitManaged || p.failOn == "never" {
		return nil
	}
	return &exitError{code: code}
}
