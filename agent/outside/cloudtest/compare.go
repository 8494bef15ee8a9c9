package cloudtest

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"time"
)

// Same says whether two answers are the same: one of a cloud, and what the AWS CLI made of
// it. Its releases write times in two ways, and leave out what is empty or not.
func Same(cloud, cli []byte) bool {
	var a, b any
	if json.Unmarshal(cloud, &a) != nil {
		a = nil
	}
	if json.Unmarshal(cli, &b) != nil {
		b = nil
	}
	return same(a, b)
}

func same(a, b any) bool {
	if s, ok := a.(string); ok {
		if at, err := time.Parse(time.RFC3339, s); err == nil {
			switch x := b.(type) {
			case float64:
				return int64(x) == at.Unix()
			case string:
				other, err := time.Parse(time.RFC3339, x)
				return err == nil && other.Truncate(time.Second).Equal(at)
			}
		}
	}
	switch a := a.(type) {
	case map[string]any:
		o, ok := b.(map[string]any)
		if !ok {
			return empty(a) && empty(b)
		}
		keys := slices.Concat(slices.Collect(maps.Keys(a)), slices.Collect(maps.Keys(o)))
		for _, k := range keys {
			if k == "NextToken" { // each CLI's own
				if empty(a[k]) != empty(o[k]) {
					return false
				}
			} else if !same(a[k], o[k]) {
				return false
			}
		}
		return true
	case []any:
		o, _ := b.([]any)
		return len(a) == len(o) && !slices.ContainsFunc(slices.Collect(maps.Keys(indexed(a))), func(i int) bool { return !same(a[i], o[i]) })
	}
	return empty(a) && empty(b) || reflect.DeepEqual(a, b)
}

func indexed(list []any) map[int]any {
	out := map[int]any{}
	for i, x := range list {
		out[i] = x
	}
	return out
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}
