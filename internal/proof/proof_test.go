package proof

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport/sallyport/internal/core"
)

// keyOf returns a key by its number.
func keyOf(n byte) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, 32)) }

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

// A kept is a log with everything that was kept of it.
type kept struct {
	entries []core.AuditEntry
	points  []core.Checkpoint
	signer  ed25519.PrivateKey
}

var t0 = time.Date(2026, 2, 28, 23, 59, 58, 123456000, time.UTC)

func (k *kept) add(action, subject, detail string) {
	prev := core.AuditRoot
	if n := len(k.entries); n > 0 {
		prev = k.entries[n-1].Hash
	}
	n := int64(len(k.entries) + 1)
	k.entries = append(k.entries, core.SealEntry(prev, core.AuditEntry{
		Seq: n, At: t0.Add(time.Duration(n) * 1700 * time.Millisecond), Actor: "ann@example.com", Via: "socket, uid 0",
		Action: action, Subject: subject, Detail: detail,
	}))
}

// use brings in a key, signed by the one before it unless that was lost.
func (k *kept) use(key ed25519.PrivateKey, lost bool) {
	a, told := core.AuditKey{Public: public(key)}, map[string]any{"public": []byte(public(key))}
	switch {
	case k.signer != nil && !lost:
		a = a.Sign(k.signer)
		told["after"], told["signature"] = a.After, a.Signature
	case k.signer != nil:
		told["after"], told["lost"] = core.AuditKeyID(public(k.signer)), true
	}
	b, _ := json.Marshal(told)
	k.add(core.AuditKeyAction, core.AuditKeySubject+core.AuditKeyID(public(key)), string(b))
	k.signer = key
}

func (k *kept) sign() {
	last := k.entries[len(k.entries)-1]
	k.points = append(k.points, core.Checkpoint{Log: k.entries[0].Hash, Seq: last.Seq, Hash: last.Hash, At: last.At}.Sign(k.signer))
}

// log is one of n entries, with a checkpoint every tenth and at the end.
func log(n int) *kept {
	k := &kept{}
	k.use(keyOf(1), false)
	for i := 2; i <= n; i++ {
		k.add("grant.activate", fmt.Sprintf("grant/gr_%d", i), fmt.Sprintf(`{"user":"bo@example.com","why":"<a> & \"b\" \u0001 é %d"}`, i))
		if i%10 == 0 || i == n {
			k.sign()
		}
	}
	return k
}

func export(entries []core.AuditEntry) []byte {
	var b bytes.Buffer
	for _, e := range entries {
		b.Write(wire(e))
	}
	return b.Bytes()
}

func wire(e core.AuditEntry) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(written(e)); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func (k *kept) options() Options {
	return Options{Keys: []ed25519.PublicKey{public(keyOf(1))}, Checkpoints: k.points}
}

func wantGood(t *testing.T, data []byte, o Options) Proof {
	t.Helper()
	p, err := Verify(bytes.NewReader(data), o)
	if err != nil || p.Bad != "" {
		t.Fatalf("a good log is said to be bad: %q, %v", p.Bad, err)
	}
	return p
}

func wantBad(t *testing.T, data []byte, o Options, says string) {
	t.Helper()
	p, err := Verify(bytes.NewReader(data), o)
	if err != nil || !strings.Contains(p.Bad, says) {
		t.Errorf("want %q, and it says %q, %v", says, p.Bad, err)
	}
}

func TestAWholeLogIsProvenByItsCheckpointsAndKey(t *testing.T) {
	k := log(95)
	p := wantGood(t, export(k.entries), k.options())
	if p.Checked != 10 || p.Covered != 95 || p.First != 1 || p.Last != 95 || p.Head != k.entries[94].Hash || len(p.Notes) != 0 {
		t.Errorf("proof %+v", p)
	}
	p = wantGood(t, export(k.entries), Options{})
	if len(p.Notes) != 1 || !strings.Contains(p.Notes[0], "cannot be seen") {
		t.Errorf("without checkpoints it notes %q", p.Notes)
	}
	p = wantGood(t, export(k.entries), Options{Checkpoints: k.points[:3]})
	if len(p.Notes) != 2 || !strings.Contains(p.Notes[0], "entries 31 to 95 are younger") || !strings.Contains(p.Notes[1], "--key") {
		t.Errorf("without a key it notes %q", p.Notes)
	}
	wantBad(t, export(k.entries[20:]), k.options(), "audit entry 1 is missing")
	part := k.options()
	part.Partial = true
	p = wantGood(t, export(k.entries[20:]), part)
	if p.First != 21 || p.Checked != 8 || len(p.Notes) != 1 {
		t.Errorf("from the middle on: %+v", p)
	}
}

// A mutation changes a log as whoever can write the database could.
type mutation struct {
	name string
	do   func(r *rand.Rand, k *kept)
}

// again computes the hashes from an entry on anew.
func (k *kept) again(from int) {
	for i := from; i < len(k.entries); i++ {
		prev := core.AuditRoot
		if i > 0 {
			prev = k.entries[i-1].Hash
		}
		e := k.entries[i]
		e.Seq = int64(i + 1)
		k.entries[i] = core.SealEntry(prev, e)
	}
}

func flip(r *rand.Rand, s string) string {
	if s == "" {
		return "x"
	}
	b := []byte(s)
	b[r.IntN(len(b))] ^= 1 << r.IntN(3) // stays text
	return string(b)
}

var mutations = []mutation{
	{"flip", func(r *rand.Rand, k *kept) {
		e := &k.entries[r.IntN(len(k.entries))]
		switch r.IntN(9) {
		case 0:
			e.Seq ^= 1 << r.IntN(8)
		case 1:
			e.At = e.At.Add(time.Duration(1+r.IntN(1000)) * time.Microsecond)
		case 2:
			e.Actor = flip(r, e.Actor)
		case 3:
			e.Via = flip(r, e.Via)
		case 4:
			e.Action = flip(r, e.Action)
		case 5:
			e.Subject = flip(r, e.Subject)
		case 6:
			e.Detail = flip(r, e.Detail)
		case 7:
			e.Prev = flip(r, e.Prev)
		case 8:
			e.Hash = flip(r, e.Hash)
		}
	}},
	{"delete", func(r *rand.Rand, k *kept) {
		i := r.IntN(len(k.entries))
		k.entries = slices.Delete(k.entries, i, i+1)
	}},
	{"delete and compute anew", func(r *rand.Rand, k *kept) {
		i := r.IntN(len(k.entries))
		k.entries = slices.Delete(k.entries, i, i+1)
		k.again(i)
	}},
	{"change and compute anew", func(r *rand.Rand, k *kept) {
		i := r.IntN(len(k.entries))
		k.entries[i].Actor = "eve@example.com"
		k.again(i)
	}},
	{"reorder", func(r *rand.Rand, k *kept) {
		i := r.IntN(len(k.entries) - 1)
		j := i + 1 + r.IntN(len(k.entries)-i-1)
		k.entries[i], k.entries[j] = k.entries[j], k.entries[i]
		if r.IntN(2) == 0 {
			k.again(i)
		}
	}},
	{"truncate", func(r *rand.Rand, k *kept) { k.entries = k.entries[:1+r.IntN(len(k.entries)-1)] }},
	{"duplicate", func(r *rand.Rand, k *kept) {
		i := r.IntN(len(k.entries) - 1) // one behind the last checkpoint is as good as any new entry
		k.entries = slices.Insert(k.entries, i, k.entries[i])
		if r.IntN(2) == 0 {
			k.again(i)
		}
	}},
	{"insert", func(r *rand.Rand, k *kept) {
		i := r.IntN(len(k.entries))
		k.entries = slices.Insert(k.entries, i, core.AuditEntry{At: t0, Actor: "eve@example.com", Action: "access_request.review"})
		k.again(i)
	}},
	{"re-sign with another key", func(r *rand.Rand, k *kept) {
		i := r.IntN(len(k.entries))
		k.entries[i].Actor = "eve@example.com"
		k.again(i)
		for j, c := range k.points {
			c.Log, c.Hash = k.entries[0].Hash, k.entries[c.Seq-1].Hash
			k.points[j] = c.Sign(keyOf(9))
		}
	}},
	{"another key in a new log", func(r *rand.Rand, k *kept) {
		n := &kept{}
		n.use(keyOf(9), false)
		for range 20 + r.IntN(20) {
			n.add("grant.activate", "grant/gr_1", "")
		}
		n.sign()
		*k = *n
	}},
	{"a checkpoint changed", func(r *rand.Rand, k *kept) {
		c := &k.points[r.IntN(len(k.points))]
		switch r.IntN(5) {
		case 0:
			c.Hash = flip(r, c.Hash)
		case 1:
			c.Log = flip(r, c.Log)
		case 2:
			c.At = c.At.Add(time.Microsecond)
		case 3:
			c.Key = flip(r, c.Key)
		case 4:
			c.Signature = []byte(flip(r, string(c.Signature)))
		}
	}},
}

func TestB137AndF074EveryMutationOfALogIsFound(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	whole := log(11)
	tried := 0
	for range 1000 {
		for _, m := range mutations {
			k := &kept{entries: slices.Clone(whole.entries), points: slices.Clone(whole.points)}
			m.do(r, k)
			p, err := Verify(bytes.NewReader(export(k.entries)), k.options())
			if err == nil && p.Bad == "" {
				t.Fatalf("%s is not found: %+v", m.name, p)
			}
			tried++
		}
	}
	if tried < 10_000 {
		t.Errorf("only %d were tried", tried)
	}
}

// A change of a byte is found, or it leaves every entry as it was: JSON has more than one way
// to write the same.
func TestF074EveryChangedByteOfAnExportIsFound(t *testing.T) {
	k := log(3)
	whole := export(k.entries)
	for i := range whole {
		for bit := range 8 {
			changed := bytes.Clone(whole)
			changed[i] ^= 1 << bit
			p, err := Verify(bytes.NewReader(changed), k.options())
			if err != nil || p.Bad != "" {
				continue
			}
			for n, line := range bytes.Split(bytes.TrimSpace(changed), []byte("\n")) {
				if e, err := decode(line); err != nil || e != k.entries[n] {
					t.Fatalf("byte %d, bit %d: %q is taken for good", i, bit, line)
				}
			}
		}
	}
}

func TestTheFirstBadEntryIsNamed(t *testing.T) {
	tests := []struct {
		name   string
		change func(k *kept)
		says   string
	}{
		{"flip", func(k *kept) { k.entries[41].Actor = "eve" }, "audit entry 42 was changed: its hash does not match"},
		{"cut", func(k *kept) { k.entries = slices.Delete(k.entries, 41, 43) }, "audit entry 42 is missing: entry 44 follows entry 41"},
		{"tail", func(k *kept) { k.entries = k.entries[:41] }, "audit entry 42 is missing: the log ends at entry 41"},
		{"anew", func(k *kept) { k.entries[41].Actor = "eve"; k.again(41) }, "audit entry 50, or one between it and entry 40, was changed and the log computed anew"},
		{"another log", func(k *kept) { k.points[0].Log = core.AuditRoot; k.points[0] = k.points[0].Sign(keyOf(1)) }, "the checkpoint of entry 10 is of another log"},
		{"unknown key", func(k *kept) { k.points[1] = k.points[1].Sign(keyOf(9)) }, "the checkpoint of entry 20 is signed by the unknown key"},
		{"signature", func(k *kept) { k.points[1].Signature[0] ^= 1 }, "the checkpoint of entry 20 was changed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			k := log(64)
			test.change(k)
			wantBad(t, export(k.entries), k.options(), test.says)
		})
	}
}

func TestF075AVerifiedLogSpansARotationOfItsKey(t *testing.T) {
	k := log(15)
	k.use(keyOf(2), false)
	k.add("grant.end", "grant/gr_1", "")
	k.sign()
	k.use(keyOf(3), false)
	k.sign()
	if p := wantGood(t, export(k.entries), k.options()); p.Checked != 4 || len(p.Notes) != 0 {
		t.Errorf("proof %+v", p)
	}
	// Whoever has a later key only, and not the one that signed, is not fooled.
	wantBad(t, export(k.entries), Options{Keys: []ed25519.PublicKey{public(keyOf(9))}, Checkpoints: k.points}, "no trusted key vouches for")
}

func TestF075ALostKeyIsNeverReplacedSilently(t *testing.T) {
	k := log(15)
	k.use(keyOf(2), true)
	k.sign()
	wantBad(t, export(k.entries), k.options(), "which entry 16 brought in and no trusted key vouches for")
	both := k.options()
	both.Keys = append(both.Keys, public(keyOf(2)))
	p := wantGood(t, export(k.entries), both)
	if len(p.Notes) != 1 || !strings.Contains(p.Notes[0], "was said to be lost") {
		t.Errorf("it notes %q", p.Notes)
	}
	// A forged vouching is none.
	f := log(15)
	a := core.AuditKey{Public: public(keyOf(9)), After: core.AuditKeyID(public(keyOf(1)))}
	detail := fmt.Sprintf(`{"after":%q,"public":%q,"signature":%q}`, a.After, base64.StdEncoding.EncodeToString(a.Public), base64.StdEncoding.EncodeToString(make([]byte, 64)))
	f.add(core.AuditKeyAction, core.AuditKeySubject+core.AuditKeyID(a.Public), detail)
	f.signer = keyOf(9)
	f.sign()
	wantBad(t, export(f.entries), f.options(), "no trusted key vouches for")
}

func TestCheckpointsAreReadAsTheyAreWritten(t *testing.T) {
	k := log(30)
	var file []byte
	for _, c := range k.points {
		file = append(append(file, Line(c)...), '\n')
	}
	got, err := ReadAll(append(file, `{"log":"half`...))
	if err != nil || len(got) != 3 || !got[2].SignedBy(public(keyOf(1))) {
		t.Errorf("read %+v, %v", got, err)
	}
	for _, bad := range []string{"{}\n", "x\n", `{"seq":1,"other":2}` + "\n", `{"seq":1}{}` + "\n"} {
		if _, err := ReadAll([]byte(bad)); core.KindOf(err) != core.Invalid {
			t.Errorf("%q is read: %v", bad, err)
		}
	}
}

func TestWhatIsNoExportIsRefused(t *testing.T) {
	for _, text := range []string{"", "\n", "seq,at\n", "{}x\n", `{"seq":1,"other":2}` + "\n"} {
		if p, err := Verify(strings.NewReader(text), Options{}); core.KindOf(err) != core.Invalid {
			t.Errorf("%q is taken: %+v, %v", text, p, err)
		}
	}
	long := core.SealEntry(core.AuditRoot, core.AuditEntry{Seq: 1, Detail: strings.Repeat("x", 3<<20)})
	wantGood(t, wire(long), Options{})
}

// FuzzLine holds the fast reading of a line to the slow one.
func FuzzLine(f *testing.F) {
	for _, e := range log(3).entries {
		f.Add(bytes.TrimSpace(wire(e)))
	}
	f.Add([]byte(`{"seq":1,"at":"2024-02-29T00:00:00Z","actor":"\u001f\\\"","via":"é","action":"\u2028","subject":"","detail":"","prev":"` + core.AuditRoot + `","hash":"` + core.AuditRoot + `"}`))
	f.Add([]byte(`{"seq":01,"at":"2023-02-29T00:00:00.5Z","actor":"\u000a"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, ok := scan(text)
		if !ok {
			return
		}
		e, err := decode(text)
		if err != nil {
			t.Fatalf("the library does not read what is taken: %v", err)
		}
		digest, _ := l.sum(nil)
		if want := core.SealEntry(e.Prev, e).Hash; string(digest[:]) != want {
			t.Errorf("hash %s, want %s", digest, want)
		}
		if l.seq != e.Seq || string(l.prev) != e.Prev || string(l.hash) != e.Hash || l.at != e.At.UnixMicro() {
			t.Errorf("read %+v as %+v", e, l)
		}
	})
}

// FuzzVerify wants no panic of anything that may be in a file.
func FuzzVerify(f *testing.F) {
	k := log(12)
	f.Add(export(k.entries), []byte("{}"))
	f.Add([]byte("{"), Line(k.points[0]))
	f.Fuzz(func(t *testing.T, data, points []byte) {
		o := k.options()
		if more, err := ReadAll(points); err == nil {
			o.Checkpoints = append(o.Checkpoints, more...)
		}
		p, err := Verify(bytes.NewReader(data), o)
		if err == nil && p.Bad == "" && p.First <= 1 && p.Last < 12 {
			t.Errorf("a log that is not the one of the checkpoints is taken for good: %+v", p)
		}
	})
}

func TestOurOwnExportsAreReadTheFastWay(t *testing.T) {
	for _, e := range log(40).entries {
		if _, ok := scan(bytes.TrimSpace(wire(e))); !ok {
			t.Errorf("%s is read slowly", wire(e))
		}
	}
}

// BenchmarkVerify is figure P12.
func BenchmarkVerify(b *testing.B) {
	k := log(10_000)
	k.points = slices.DeleteFunc(k.points, func(c core.Checkpoint) bool { return c.Seq%1000 != 0 })
	data := export(k.entries)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if p, err := Verify(bytes.NewReader(data), k.options()); err != nil || p.Bad != "" {
			b.Fatal(p, err)
		}
	}
	b.ReportMetric(float64(len(k.entries)*b.N)/b.Elapsed().Seconds(), "entries/s")
}

// TestF074ALineThatCouldBeReadInTwoWaysIsNotGood: a reader that takes other cases for the same
// name, or the last of two, would pass what others read otherwise.
func TestF074ALineThatCouldBeReadInTwoWaysIsNotGood(t *testing.T) {
	prev := core.AuditRoot
	var lines []string
	for i := range int64(5) {
		e := core.SealEntry(prev, core.AuditEntry{Seq: i + 1, At: time.Date(2026, 3, 1, 12, 0, int(i), 0, time.UTC), Actor: "ann", Via: "socket", Action: "a.b", Subject: "request/x", Detail: `{"k":"v"}`})
		b, err := json.Marshal(written(e))
		if err != nil {
			t.Fatal(err)
		}
		lines, prev = append(lines, string(b)), e.Hash
	}
	for what, change := range map[string]func(string) string{
		"a name in another case": func(s string) string { return strings.Replace(s, `"actor"`, `"Actor"`, 1) },
		"a name twice":           func(s string) string { return strings.Replace(s, `"actor":"ann"`, `"actor":"eve","actor":"ann"`, 1) },
		"twice, by case":         func(s string) string { return strings.Replace(s, `"actor":"ann"`, `"Actor":"eve","actor":"ann"`, 1) },
		"rubbish behind":         func(s string) string { return s + `} "eve did it"` },
		"a list behind":          func(s string) string { return s + `[]` },
		"a name of nobody's":     func(s string) string { return strings.Replace(s, `"actor"`, `"x":1,"actor"`, 1) },
		"a nested value":         func(s string) string { return strings.Replace(s, `"ann"`, `["ann"]`, 1) },
	} {
		changed := slices.Clone(lines)
		changed[2] = change(changed[2])
		p, err := Verify(strings.NewReader(strings.Join(changed, "\n")+"\n"), Options{})
		if err == nil && p.Bad == "" {
			t.Errorf("%s: passes", what)
		}
		c := core.Checkpoint{Log: "l", Seq: 1, Hash: "h", Key: "k"}
		if _, err := Read([]byte(strings.Replace(change(string(Line(c))), `"key"`, `"Key"`, 1))); err == nil {
			t.Errorf("%s: a checkpoint passes", what)
		}
	}
	if p, err := Verify(strings.NewReader(strings.Join(lines, "\n")+"\n"), Options{Keys: []ed25519.PublicKey{make([]byte, ed25519.PublicKeySize)}}); err != nil || p.Bad == "" {
		t.Errorf("a key that signed nothing of it: %+v, %v", p, err)
	}
}
