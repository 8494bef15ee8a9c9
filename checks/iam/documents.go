package iam

import (
	"embed"
	"encoding/json"
	"strings"
	"sync"
)

// What the documents grant goes into data/grants.json and, by kind of role, into
// testdata/agreement.txt.
//

//go:embed data/policies/*.json
var documents embed.FS

// document is a policy document that this package carries.
type document struct {
	Name string `json:"name"`
	// ARN is that of an AWS-managed policy in partition aws; empty for the others.
	ARN string `json:"arn"`
	// Version and Date are those of the default version when it was copied.
	Version string `json:"version"` // v2
	Date    string `json:"date"`    // 2006-01-02
	// Kind is aws-managed (from the AWS Managed Policy Reference), guide-custom
	// (from an AWS user guide), trust, or project-template (written here). All but
	// the first may hold placeholders in capitals.
	Kind     string `json:"kind"`
	Audience string `json:"audience"` // instance, role, user, quick-setup
	Note     string `json:"note"`
	Policy   *Policy
	raw      json.RawMessage
}

// Document returns the text of a policy document that this package carries, by
// its name such as AmazonSSMManagedInstanceCore. It has a wrapper with name,
// version and date around it.
func Document(name string) ([]byte, bool) {
	if name == "" || strings.ContainsAny(name, `/\.`) {
		return nil, false
	}
	b, err := documents.ReadFile("data/policies/" + name + ".json")
	return b, err == nil
}

var loadDocuments = sync.OnceValue(func() []document {
	entries, err := documents.ReadDir("data/policies")
	if err != nil {
		panic("embedded policies: " + err.Error())
	}
	var out []document
	for _, e := range entries {
		b, err := documents.ReadFile("data/policies/" + e.Name())
		if err != nil {
			panic("embedded policies: " + err.Error())
		}
		var d struct {
			document
			Document json.RawMessage `json:"document"`
		}
		if err = json.Unmarshal(b, &d); err == nil {
			d.Policy, err = ParsePolicy(b)
		}
		if err != nil {
			panic("embedded policy " + e.Name() + ": " + err.Error()) // a test reads all
		}
		d.raw = d.Document
		out = append(out, d.document)
	}
	return out
})

// documentByName finds a document; nil when there is none of that name.
func documentByName(name string) *document {
	for i, d := range loadDocuments() {
		if d.Name == name {
			return &loadDocuments()[i]
		}
	}
	return nil
}

// PolicyARN is the ARN of an AWS-managed policy in a partition; empty for a
// policy that is not AWS-managed.
func PolicyARN(name, partition string) string {
	d := documentByName(name)
	if d == nil || d.ARN == "" {
		return ""
	}
	if partition == "" {
		partition = "aws"
	}
	return "arn:" + partition + strings.TrimPrefix(d.ARN, "arn:aws")
}
