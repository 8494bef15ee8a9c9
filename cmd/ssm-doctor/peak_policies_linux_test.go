//go:build !race

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ssm-doctor/checks/iam"
)

// TestPeakMemoryOfPolicies: documents of others, as large as they may be and larger.
func TestPeakMemoryOfPolicies(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 200 MB")
	}
	fill := func(before, member, after string) []byte {
		var b bytes.Buffer
		b.WriteString(before)
		for i := 0; b.Len() < iam.MaxDetails-2*len(member)-len(after)-100; i++ {
			b.WriteString(strings.ReplaceAll(member, "%d", strconv.Itoa(i)) + ",")
		}
		b.WriteString(strings.ReplaceAll(member, "%d", "0") + after)
		return b.Bytes()
	}
	statement := `{"Effect":"Allow","Action":["ssm:Get*","s3:Put*"],"Resource":"*"}`
	document := `{"Version":"2012-10-17","Statement":[` + strings.Repeat(statement+",\n                ", 30) + statement + `]}`
	utf16 := func(b []byte) []byte {
		out := []byte("\xff\xfe")
		for _, c := range b[:iam.MaxDetails/2-2] {
			out = append(out, c, 0)
		}
		return out
	}
	role := `{"RoleName":"r%d","Arn":"a","RolePolicyList":[{"PolicyName":"p","PolicyDocument":` + document + `}]}`
	for name, b := range map[string][]byte{
		"roles":        fill(`{"RoleDetailList":[`, role, `]}`),
		"no roles":     fill(`{"RoleDetailList":[`, `{}`, `]}`),
		"policies":     fill(`{"RoleDetailList":[{"RoleName":"r0"}],"Policies":[`, `{"Arn":"a%d","PolicyVersionList":[{"IsDefaultVersion":true,"Document":`+document+`}]}`, `]}`),
		"users":        fill(`{"UserDetailList":[`, `{}`, `],"RoleDetailList":[{"RoleName":"r0"}]}`),
		"one role":     fill(`{"RoleDetailList":[{"RoleName":"r0","InstanceProfileList":[`, `{}`, `]}]}`),
		"one object":   fill(`{"x":{"x":[`, `{}`, `]},"RoleDetailList":[{"RoleName":"r0"}]}`),
		"text":         fill(`{"x":"`, `aaaaaaaaaa`, `","RoleDetailList":[{"RoleName":"r0"}]}`),
		"deep":         fill(`{"RoleDetailList":`, `[[[[[[[[`, ``),
		"spaces":       append([]byte(`{"Statement":[]`), bytes.Repeat([]byte(" "), iam.MaxDetails-100)...),
		"statements":   fill(`{"Statement":[`, statement, `]}`),
		"too large":    bytes.Repeat([]byte(" "), 66_000_000),
		"of UTF-16":    utf16(fill(`{"RoleDetailList":[`, role, `]}`)),
		"other UTF-16": append([]byte("\xff\xfe"), bytes.Repeat([]byte("\xff\x4e"), iam.MaxDetails/4)...),
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "policy.json")
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
			out := peakOf(t, "permissions", "--role", "r0", "--policy", file)
			if judged := len(out) > 0; judged != slices.Contains([]string{"roles", "policies", "users", "one object"}, name) {
				t.Errorf("judged: %t", judged)
			}
			peakOf(t, "permissions", "--policy", file, "--boundary", file)
		})
	}
}
