package hostfile

import (
	"bytes"
	"encoding/xml"
	"strings"
)

// ParsePlist reads an XML property list into texts by the path of their keys,
// joined with dots; members of arrays are left out. At most 1000 texts.
func ParsePlist(b []byte) map[string]string {
	d := xml.NewDecoder(bytes.NewReader(b))
	d.Strict = false
	out := map[string]string{}
	var at []string // keys of the open dictionaries
	key, text, arrays := "", "", 0
	for n := 0; n < 20_000 && len(out) < 1000; n++ {
		t, err := d.Token()
		if err != nil {
			break
		}
		switch t := t.(type) {
		case xml.StartElement:
			text = ""
			switch t.Name.Local {
			case "dict":
				at = append(at, key)
				if len(at) > 20 {
					return out
				}
			case "array":
				arrays++
			}
		case xml.CharData:
			if len(text) < 4096 {
				text += string(t)
			}
		case xml.EndElement:
			switch t.Name.Local {
			case "key":
				key = strings.TrimSpace(text)
			case "dict":
				if len(at) > 0 {
					at = at[:len(at)-1]
				}
			case "array":
				arrays = max(0, arrays-1)
			case "string", "integer", "true", "false":
				if v := strings.TrimSpace(text); arrays == 0 && len(at) > 0 && key != "" {
					if t.Name.Local == "true" || t.Name.Local == "false" {
						v = t.Name.Local
					}
					// The first entry of at is the outermost dictionary, which has no key.
					out[strings.Join(append(at[1:len(at):len(at)], key), ".")] = v
				}
			}
			text = ""
		}
	}
	return out
}
