//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"ssm-doctor/agent/outside/cloudtest"
)

// playAWS is the AWS CLI as far as the pages of the documentation use it: with the cloud
// of the file PLAYED_CLOUD, and the folder PLAYED_BUCKET for every bucket.
func playAWS() {
	if err := playedAWS(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(254)
	}
}

func playedAWS(args []string) error {
	b, err := os.ReadFile(os.Getenv("PLAYED_CLOUD"))
	if err != nil {
		return err
	}
	var c cloudtest.Cloud
	if err := json.Unmarshal(b, &c); err != nil {
		return err
	}
	switch strings.Join(args[:2], " ") {
	case "s3 sync":
		return os.CopyFS(args[3], os.DirFS(os.Getenv("PLAYED_BUCKET")))
	case "iam get-account-authorization-details":
		return json.NewEncoder(os.Stdout).Encode(authorization(&c))
	}
	query := slices.Index(args, "--query")
	if query >= 0 { // all that is asked for so are ids
		args = args[:query]
	}
	stdout, stderr, err := c.Run(context.Background(), args...)
	_, _ = os.Stderr.Write(stderr)
	if err != nil {
		return err
	}
	if query < 0 {
		_, err = os.Stdout.Write(stdout)
		return err
	}
	var v any
	if err := json.Unmarshal(stdout, &v); err != nil {
		return err
	}
	printIDs(v)
	return nil
}

// printIDs prints every InstanceId in an answer.
func printIDs(v any) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			printIDs(x)
		}
	case map[string]any:
		for k, x := range v {
			if k == "InstanceId" {
				fmt.Println(x)
			} else {
				printIDs(x)
			}
		}
	}
}

// authorization is what IAM says of all roles of an account.
func authorization(c *cloudtest.Cloud) map[string]any {
	roles, policies := []any{}, []any{}
	for name, r := range c.Roles {
		attached, inline, profiles := []any{}, []any{}, []any{}
		for _, a := range r.Attached {
			attached = append(attached, map[string]any{"PolicyArn": a, "PolicyName": a[strings.LastIndexByte(a, '/')+1:]})
		}
		for n, d := range r.Inline {
			inline = append(inline, map[string]any{"PolicyName": n, "PolicyDocument": json.RawMessage(d)})
		}
		for p, list := range c.Profiles {
			if slices.Contains(list, name) {
				profiles = append(profiles, map[string]any{"InstanceProfileName": p, "Arn": "arn:aws:iam::" + c.Account + ":instance-profile/" + p, "Roles": []any{}})
			}
		}
		path := r.Path
		if path == "" {
			path = "/"
		}
		roles = append(roles, map[string]any{"RoleName": name, "Path": path, "Arn": "arn:aws:iam::" + c.Account + ":role" + path + name, "CreateDate": time.Now(), "AssumeRolePolicyDocument": json.RawMessage(r.Trust),
			"AttachedManagedPolicies": attached, "RolePolicyList": inline, "InstanceProfileList": profiles})
	}
	for arn, d := range c.Policies {
		policies = append(policies, map[string]any{"Arn": arn, "PolicyName": arn[strings.LastIndexByte(arn, '/')+1:], "DefaultVersionId": "v2", "PolicyVersionList": []any{map[string]any{"VersionId": "v2", "IsDefaultVersion": true, "Document": json.RawMessage(d)}}})
	}
	return map[string]any{"RoleDetailList": roles, "Policies": policies, "UserDetailList": []any{}, "GroupDetailList": []any{}}
}
