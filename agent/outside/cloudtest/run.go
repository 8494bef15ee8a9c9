package cloudtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Run is a runner of package outside without the AWS CLI: it takes the words of a call and
// answers as that would, all pages at once. That it does is tested where there is a CLI.
func (c *Cloud) Run(_ context.Context, args ...string) (stdout, stderr []byte, err error) {
	out, e := c.call(args)
	if e != nil {
		return nil, fmt.Appendf(nil, "\nAn error occurred (%s) when calling the %s operation: %s\n", e.Code, camel(args[1]), e.Message), errors.New("exit status 254")
	}
	stdout, err = json.MarshalIndent(printed(out), "", "    ")
	return append(stdout, '\n'), nil, err
}

// camel is the operation of a command: describe-vpcs, DescribeVpcs.
func camel(s string) string {
	var b strings.Builder
	for w := range strings.SplitSeq(s, "-") {
		if w != "" {
			b.WriteString(strings.ToUpper(w[:1]) + w[1:])
		}
	}
	return b.String()
}

// call makes a call with all its pages.
func (c *Cloud) call(args []string) (Object, *Error) {
	service, operation := args[0], camel(args[1])
	in, most, start := Object{}, 0, 0
	for i := 2; i+1 < len(args); i += 2 {
		switch name, value := args[i], args[i+1]; name {
		case "--output", "--region":
		case "--max-items":
			most, _ = strconv.Atoi(value)
		case "--starting-token":
			start, _ = strconv.Atoi(strings.TrimPrefix(value, "from-"))
		case "--filters":
			filter := Object{}
			before, values, _ := strings.Cut(value, ",Values=")
			key, of, _ := strings.Cut(before, "=")
			filter[key] = of
			list := []any{}
			for v := range strings.SplitSeq(values, ",") {
				list = append(list, v)
			}
			filter["Values"] = list
			in["Filters"] = []any{filter}
		default:
			in[camel(strings.TrimPrefix(name, "--"))] = value
		}
	}
	h := handlers[service+":"+operation]
	var whole Object
	for {
		var out Object
		var e *Error
		for try := 0; try < 5; try++ { // as the CLI does
			if out, e = c.Do(service, operation, in); e == nil || e.Code != throttled(service).Code {
				break
			}
		}
		if e != nil {
			return nil, e
		}
		if whole == nil {
			whole = out
		} else {
			whole[h.list] = append(whole[h.list].([]any), out[h.list].([]any)...)
		}
		token, more := out[h.token].(string)
		if h.list == "" || !more || token == "" {
			break
		}
		in[h.token] = token
	}
	if h.list == "" {
		return whole, nil
	}
	list := whole[h.list].([]any)
	list = list[min(start, len(list)):]
	out := Object{h.list: list}
	if most > 0 && most < len(list) {
		out[h.list], out["NextToken"] = list[:most], fmt.Sprintf("from-%d", start+most)
	}
	return out, nil
}

// printed is an answer as the AWS CLI shows it: policies as what they are.
func printed(v any) any {
	switch v := v.(type) {
	case document:
		return json.RawMessage(v)
	case time.Time:
		return v.Format(time.RFC3339)
	case Object:
		out := Object{}
		for k, x := range v {
			out[k] = printed(x)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = printed(v[i])
		}
		return out
	}
	return v
}
