package iam

import (
	"slices"

	"ssm-doctor/checks/pattern"
)

// What a value of a target may look like. Wildcards would widen a policy, so
// only a log group may end in one. The long repetitions of these cost half a megabyte.
var (
	partitionRE = pattern.New(`^aws(-[a-z]{1,10}){0,3}$`)
	regionRE    = pattern.New(`^[a-z]{2,5}(-[a-z]{2,10}){1,3}-[0-9]{1,2}$`)
	accountRE   = pattern.New(`^[0-9]{12}$`)
	bucketRE    = pattern.New(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9!_.()/=-]{0,512})?$`)
	logGroupRE  = pattern.New(`^[A-Za-z0-9._/#-]{1,511}\*?$`)
	parameterRE = pattern.New(`^/?[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*/?$`)
	keyRE       = pattern.New(`^(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/)?[A-Za-z0-9-]{1,128}$`)
	directoryRE = pattern.New(`^d-[0-9a-f]{10}$`)
)

// Clean drops values that cannot be what they are meant to be, since they go
// into policies, and returns what it dropped.
func (t Target) Clean() (Target, []string) {
	var dropped []string
	one := func(s *string, re *pattern.Pattern) {
		if *s != "" && !re.MatchString(*s) {
			dropped = append(dropped, *s)
			*s = ""
		}
	}
	one(&t.Partition, partitionRE)
	one(&t.Region, regionRE)
	one(&t.Account, accountRE)
	one(&t.Directory, directoryRE)
	list := func(l *[]string, re *pattern.Pattern) {
		*l = slices.DeleteFunc(slices.Clone(*l), func(s string) bool {
			bad := len(s) > 2048 || !re.MatchString(s)
			if bad {
				dropped = append(dropped, s)
			}
			return bad
		})
	}
	list(&t.Buckets, bucketRE)
	list(&t.LogGroups, logGroupRE)
	list(&t.Parameters, parameterRE)
	list(&t.Keys, keyRE)
	return t, dropped
}
