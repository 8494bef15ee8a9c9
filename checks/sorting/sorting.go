// Package sorting sorts lists of structs. That of package slices is made once more for
// each type of element, 20 kB every time; of this one only comparing and swapping are.
package sorting

import "sort"

// By sorts a list by what compare says of two elements: less than zero if the first
// comes first. Those that compare equal keep their order.
func By[S ~[]T, T any](list S, compare func(a, b T) int) {
	if len(list) > 1 {
		sort.Stable(by[T]{list, compare})
	}
}

type by[T any] struct {
	list    []T
	compare func(a, b T) int
}

func (b by[T]) Len() int           { return len(b.list) }
func (b by[T]) Less(i, j int) bool { return b.compare(b.list[i], b.list[j]) < 0 }
func (b by[T]) Swap(i, j int)      { b.list[i], b.list[j] = b.list[j], b.list[i] }
