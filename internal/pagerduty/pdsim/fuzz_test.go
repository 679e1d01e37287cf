package pdsim

import "testing"

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", "subdomain: acme\ntokens: [{token: t, access: full}]\nusers: [{id: P1, name: Ann, email: a@b}]\nschedules: [{id: S1, name: x, kind: v3, shifts: [{user: P1, start: now-1h, end: now+2h}]}]\n",
		"schedules: [{id: S1, shifts: [{start: now+1e300h}]}]", "a: &a [*a]", "users: [", "escalation_policies: [{id: E, rules: [[{schedule: nowhere}]]}]", "limits: {rest_per_minute: -1}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Parse(data)
		if err != nil {
			return
		}
		s, err := New(Options{Data: d})
		if err == nil {
			s.Close()
		}
	})
}
