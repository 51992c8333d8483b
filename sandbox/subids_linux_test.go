package sandbox

import (
	"reflect"
	"testing"
)

func TestRangesOf(t *testing.T) {
	const file = "other:1:2\nme:100000:65536\n1000:300000:10\nme:x:1\nme:5\nme:7:0\nme:9:-1\n\nme:400000:5"
	want := []idRange{{100000, 65536}, {300000, 10}, {400000, 5}}
	if got := rangesOf(file, []string{"1000", "me"}); !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
	if got := rangesOf(file, []string{"1000"}); !reflect.DeepEqual(got, want[1:2]) {
		t.Errorf("by number: %v", got)
	}
}

// What stands for newuidmap takes what newuidmap takes, and nothing else.
func TestMapQuestion(t *testing.T) {
	for _, q := range []mapQuestion{
		{}, {"uid", nil}, {"uid", []string{"1"}}, {"uid", []string{"1", "0", "0"}}, {"pid", []string{"1", "0", "0", "1"}},
		{"uid", []string{"../1", "0", "0", "1"}}, {"uid", []string{"1", "0", "0", "1\n0 0 1"}}, {"uid", []string{"1", "0", "0", "1", "2"}},
	} {
		if err := q.write(); err == nil {
			t.Errorf("%+v was taken", q)
		}
	}
}
