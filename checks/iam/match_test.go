package iam

import (
	"regexp"
	"strings"
	"testing"
)

func TestMatchAction(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, action string
		want            bool
	}{
		{"*", "ssm:GetParameter", true},
		{"*:*", "ssm:GetParameter", true},
		{"ssm:*", "ssm:GetParameter", true},
		{"ssm:*", "ssmmessages:CreateControlChannel", false},
		{"SSM:getparameter", "ssm:GetParameter", true},
		{"ssm:GetParameter", "ssm:GetParameters", false},
		{"ssm:GetParameter?", "ssm:GetParameters", true},
		{"ssm:GetParameter?", "ssm:GetParameter", false},
		{"ssm:Get*s", "ssm:GetParameters", true},
		{"ssm:*Parameter*", "ssm:GetParametersByPath", true},
		{"ssm:Update*", "ssm:UpdateInstanceInformation", true},
		{"s3:Get*", "s3:PutObject", false},
		{"", "ssm:GetParameter", false},
		{"ssm:Get[A-Z]*", "ssm:GetParameter", false},
	} {
		if got := MatchAction(c.pattern, c.action); got != c.want {
			t.Errorf("%q on %q: %v", c.pattern, c.action, got)
		}
	}
}

func TestMatchResource(t *testing.T) {
	t.Parallel()
	known := map[string][]string{"aws:PrincipalAccount": {"111122223333"}, "ec2:InstanceId": {"i-0*"}, "aws:username": {}, "many": {"a", "b"}}
	for _, c := range []struct {
		pattern, arn string
		want         truth
	}{
		{"*", "", yes},
		{"arn:aws:s3:::b/*", "", maybe},
		{"arn:aws:s3:::b/*", "arn:aws:s3:::b/a/b:c", yes},
		{"arn:aws:s3:::b/*", "arn:aws:s3:::b", no},
		{"arn:aws:s3:::B", "arn:aws:s3:::b", no},
		{"arn:aws:s3:::b?", "arn:aws:s3:::b1", yes},
		{"arn:aws-cn:s3:::b", "arn:aws:s3:::b", no},
		{"arn:*:s3:::b", "arn:aws-us-gov:s3:::b", yes},
		{"arn:aws:ssm:*:*:parameter/a*", "arn:aws:ssm:eu-west-1:111122223333:parameter/ab", yes},
		// A wildcard does not leave its part of the ARN; a short pattern is not clear.
		{"arn:aws:ssm:*:1:parameter/ab", "arn:aws:ssm:eu-west-1:2:1:parameter/ab", no},
		{"arn:aws:ssm:*:parameter/ab", "arn:aws:ssm:eu-west-1:111122223333:parameter/ab", maybe},
		{"arn:aws:ssm:*:parameter/x", "arn:aws:ssm:eu-west-1:111122223333:parameter/ab", no},
		{"arn:aws:ssm:eu-*:111122223333:*", "arn:aws:ssm:eu-west-1:111122223333:parameter/ab", yes},
		{"arn:aws:ssm:*:${aws:PrincipalAccount}:parameter/*", "arn:aws:ssm:eu-west-1:111122223333:parameter/ab", yes},
		{"arn:aws:ssm:*:${AWS:principalaccount}:parameter/*", "arn:aws:ssm:eu-west-1:444455556666:parameter/ab", no},
		{"arn:aws:s3:::b/${aws:userid}/*", "arn:aws:s3:::b/x/y", maybe},
		// The value of a variable is literal; its wildcards are not.
		{"arn:aws:s3:::b/${ec2:InstanceId}", "arn:aws:s3:::b/i-0123", no},
		{"arn:aws:s3:::b/${ec2:InstanceId}", "arn:aws:s3:::b/i-0*", yes},
		{"arn:aws:s3:::b/${*}", "arn:aws:s3:::b/*", yes},
		{"arn:aws:s3:::b/${*}", "arn:aws:s3:::b/x", no},
		{"arn:aws:s3:::b/${aws:username}", "arn:aws:s3:::b/x", no},
		{"arn:aws:s3:::b/${aws:username, 'x'}", "arn:aws:s3:::b/x", yes},
		{"arn:aws:s3:::b/${many}", "arn:aws:s3:::b/a", no},
		{"arn:aws:s3:::b/${open", "arn:aws:s3:::b/${open", yes},
		{"arn:aws:ssm:*:*:parameter/a", "*", no},
		{"*", "*", yes},
	} {
		r := Request{Resource: c.arn, Context: known}
		if got := r.matchResources([]string{c.pattern}, true); got != c.want {
			t.Errorf("%q on %q: %v, want %v", c.pattern, c.arn, got, c.want)
		}
	}
	r := Request{Resource: "arn:aws:s3:::b/${aws:PrincipalAccount}", Context: known}
	if got := r.matchResources([]string{"arn:aws:s3:::b/${aws:PrincipalAccount}"}, false); got != yes {
		t.Error("language version 2008-10-17 has no variables")
	}
}

// FuzzMatch compares the matcher with a regular expression of the same meaning.
func FuzzMatch(f *testing.F) {
	for _, s := range [][2]string{{"ssm:Get*", "ssm:GetParameter"}, {"a*b*c", "aXbbXc"}, {"??", "ab"}, {"*a*a*a*b", strings.Repeat("a", 40)}, {"\ue000", "x"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 60 || len(s) > 200 || strings.ContainsAny(pattern+s, string(anyRun)+string(anyRune)) {
			t.Skip()
		}
		pattern, s = strings.ToValidUTF8(pattern, ""), strings.ToValidUTF8(s, "")
		q := strings.NewReplacer(`\*`, `(?s:.*)`, `\?`, `(?s:.)`).Replace(regexp.QuoteMeta(pattern))
		want := regexp.MustCompile(`\A` + q + `\z`).MatchString(s)
		if got := matchesWildcards(markWildcards(pattern), s); got != want {
			t.Errorf("%q on %q: %v, want %v", pattern, s, got, want)
		}
	})
}
