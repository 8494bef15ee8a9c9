package facts

import (
	"reflect"
	"testing"
)

// TestDirect: all that was asked without a proxy is in it, whatever is added.
func TestDirect(t *testing.T) {
	t.Parallel()
	var all IMDS
	fill(reflect.ValueOf(&all).Elem())
	want := all
	want.ViaProxy = Seen[Exchange]{}
	if got := all.Direct(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// fill sets what is not zero in a value.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i))
			}
		}
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Uint64:
		v.SetUint(1)
	case reflect.Float64:
		v.SetFloat(1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	}
}
