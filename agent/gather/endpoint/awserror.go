package endpoint

import (
	"cmp"
	"encoding/json"
	"encoding/xml"
	"strings"

	"ssm-doctor/agent/gather"
)

// AWSError is an error answer of any AWS protocol.
type AWSError struct{ Code, Message string }

// ParseAWSError reads an error body of the JSON, query, REST-XML and S3
// protocols; the zero value when it is none of them.
func ParseAWSError(b []byte) AWSError {
	body := strings.TrimSpace(string(b[:min(len(b), 16<<10)]))
	switch {
	case strings.HasPrefix(body, "{"):
		var d struct {
			Type     string `json:"__type"`
			Code     string `json:"code"`
			Message  string `json:"message"`
			Message2 string `json:"Message"`
		}
		if json.Unmarshal([]byte(body), &d) != nil {
			return AWSError{}
		}
		code := d.Type
		if code == "" {
			code = d.Code
		}
		code = code[strings.LastIndex(code, "#")+1:]
		return AWSError{gather.OneLine(code, 100), errorText(cmp.Or(d.Message, d.Message2))}
	case strings.HasPrefix(body, "<"):
		return xmlError(body)
	}
	return AWSError{}
}

// maxEncoded bounds a message that holds an encoded refusal, in bytes; half of
// one cannot be decoded.
const maxEncoded = 10 << 10

// errorText is a message of AWS on one line.
func errorText(s string) string {
	if strings.Contains(s, "Encoded authorization failure message:") {
		return gather.OneLine(s, maxEncoded)
	}
	return gather.OneLine(s, 1000)
}

// xmlError takes the first Code and Message of a document, or its root element
// as code where the service writes <AccessDeniedException/>.
func xmlError(body string) AWSError {
	d := xml.NewDecoder(strings.NewReader(body))
	d.Strict = false
	var e AWSError
	root, in := "", ""
	for n := 0; n < 200; n++ {
		t, err := d.Token()
		if err != nil {
			break
		}
		switch t := t.(type) {
		case xml.StartElement:
			if root == "" {
				root = t.Name.Local
			}
			in = t.Name.Local
		case xml.EndElement:
			in = ""
		case xml.CharData:
			text := strings.TrimSpace(string(t))
			switch {
			case in == "Code" && e.Code == "":
				e.Code = gather.OneLine(text, 100)
			case strings.EqualFold(in, "message") && e.Message == "":
				e.Message = errorText(text)
			}
		}
	}
	if e.Code == "" && root != "" && !strings.EqualFold(root, "html") && root != "ErrorResponse" && root != "Error" {
		e.Code = gather.OneLine(root, 100)
	}
	return e
}
