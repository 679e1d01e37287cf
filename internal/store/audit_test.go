package store_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// The hash as another language computes it. In Python:
//
//	sha256(json.dumps([7, 1772366400000001, …], ensure_ascii=False, separators=(',', ':')).encode())
//
// asvs: 11.4.3
func TestAnybodyCanComputeAnAuditHash(t *testing.T) {
	e := core.SealEntry(core.AuditRoot, core.AuditEntry{
		Seq: 7, At: time.UnixMicro(1772366400000001), Actor: `ann@example.com "A"`, Via: "local admin (uid 0)",
		Action: "grant.activate", Subject: "grant/gr_7Q2M", Detail: "{\"a\":\"ü\u2028<&>\\n\x7f\x01\"}",
	})
	if want := "d073e99e8496b5460df17600e54d27201150dd7582c6812e98dba8bdcc1feb8e"; e.Hash != want {
		t.Errorf("got %s, want %s", e.Hash, want)
	}
}

// asvs: 16.4.2
func TestTheFirstBadAuditEntryIsNamed(t *testing.T) {
	var good []core.AuditEntry
	prev := core.AuditRoot
	for i := range 5 {
		e := core.SealEntry(prev, core.AuditEntry{Seq: int64(i + 1), At: now, Actor: "ann", Subject: fmt.Sprint(i)})
		good, prev = append(good, e), e.Hash
	}
	if err := core.VerifyChain(good...); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		spoil func(es []core.AuditEntry) []core.AuditEntry
		want  string
	}{
		"first one gone": {func(es []core.AuditEntry) []core.AuditEntry { return es[1:] }, "entry 1 is missing"},
		"one gone":       {func(es []core.AuditEntry) []core.AuditEntry { return slices.Delete(es, 2, 3) }, "entry 3 is missing"},
		"two exchanged":  {func(es []core.AuditEntry) []core.AuditEntry { es[1], es[2] = es[2], es[1]; return es }, "entry 2 is missing"},
		"one twice":      {func(es []core.AuditEntry) []core.AuditEntry { return slices.Insert(es, 2, es[1]) }, "entry 3 is missing"},
		"one sealed again": {func(es []core.AuditEntry) []core.AuditEntry {
			es[2].Actor = "bob"
			es[2] = core.SealEntry(es[1].Hash, es[2])
			return es
		}, "entry 4 does not continue"},
	} {
		if err := core.VerifyChain(test.spoil(slices.Clone(good))...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	for i := range reflect.TypeFor[core.AuditEntry]().NumField() {
		es := slices.Clone(good)
		f := reflect.ValueOf(&es[2]).Elem().Field(i)
		switch f.Interface().(type) {
		case time.Time:
			f.Set(reflect.ValueOf(now.Add(time.Microsecond)))
		case int64:
			f.SetInt(17)
		default:
			f.SetString("x")
		}
		if err := core.VerifyChain(es...); err == nil || !strings.Contains(err.Error(), "entry 3") {
			t.Errorf("another %s: %v", reflect.TypeFor[core.AuditEntry]().Field(i).Name, err)
		}
	}
	rest := core.Chain{Seq: 3, Hash: good[2].Hash}
	if err := rest.Verify(good[3:]...); err != nil || rest.Seq != 5 || rest.Hash != good[4].Hash {
		t.Errorf("from the third on: %v, %+v", err, rest)
	}
}
