package pdsim

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOnCallsAreFilteredByPersonPolicyScheduleAndTime(t *testing.T) {
	tests := []struct {
		name, query string
		want        []string // policy level user schedule
	}{
		{"now", "", []string{
			"PE00001 1 PU0ANN PS00001", "PE00001 2 PU0BOB PS00003", "PE00001 2 PU0CID PS00003", "PE00001 2 PU0ANN -", "PE00001 3 PU0DEE -",
			"PE00002 1 PU0BOB PS00003", "PE00002 1 PU0CID PS00003", "PE00002 2 PU0DEE -",
		}},
		{"one person on two levels", "?user_ids[]=PU0ANN", []string{"PE00001 1 PU0ANN PS00001", "PE00001 2 PU0ANN -"}},
		{"one policy", "?escalation_policy_ids[]=PE00002&user_ids[]=PU0DEE", []string{"PE00002 2 PU0DEE -"}},
		{"one schedule", "?schedule_ids[]=PS00001", []string{"PE00001 1 PU0ANN PS00001"}},
		{"direct targets", "?schedule_ids[]=null&user_ids[]=PU0ANN", []string{"PE00001 2 PU0ANN -"}},
		{"a schedule on no policy", "?schedule_ids[]=PS00009", []string{}},
		{"an empty slot is nobody", "?schedule_ids[]=PS00003&since=2026-11-23T10:30:00Z&until=2026-11-23T10:31:00Z", []string{}},
		{"a shift ends at its end", "?schedule_ids[]=PS00001&since=2026-11-23T11:00:00Z&until=2026-11-23T11:00:00Z", []string{"PE00001 1 PU0BOB PS00001"}},
		{"a window", "?schedule_ids[]=PS00001&until=2026-11-23T20:00:00Z", []string{"PE00001 1 PU0ANN PS00001", "PE00001 1 PU0BOB PS00001", "PE00001 1 PU0ANN PS00001"}},
		{"the earliest of each person", "?schedule_ids[]=PS00001&until=2026-11-23T20:00:00Z&earliest=true", []string{"PE00001 1 PU0ANN PS00001", "PE00001 1 PU0BOB PS00001"}},
		{"somebody unknown", "?user_ids[]=NOBODY", []string{}},
	}
	b := newBench(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := []string{}
			for _, o := range b.get("/oncalls" + tt.query)["oncalls"].([]any) {
				sched, _ := at(o, "schedule", "id").(string)
				if sched == "" {
					sched = "-"
				}
				level := string(rune('0' + int(at(o, "escalation_level").(float64))))
				got = append(got, at(o, "escalation_policy", "id").(string)+" "+level+" "+at(o, "user", "id").(string)+" "+sched)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("on call (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnOnCallEntrySaysItsShiftAndTheKindOfItsSchedule(t *testing.T) {
	b := newBench(t)
	classic := at(b.get("/oncalls?schedule_ids[]=PS00001"), "oncalls", 0)
	if at(classic, "start") != "2026-11-23T08:00:00Z" || at(classic, "end") != "2026-11-23T11:00:00Z" || at(classic, "schedule", "type") != "schedule_reference" {
		t.Errorf("classic: %v", classic)
	}
	shifted := at(b.get("/oncalls?schedule_ids[]=PS00003&time_zone=UTC&include[]=users"), "oncalls", 0)
	if at(shifted, "schedule", "type") != "schedule_v3_reference" || at(shifted, "user", "email") != "bob@example.com" {
		t.Errorf("shift-based: %v", shifted)
	}
	direct, _ := at(b.get("/oncalls?schedule_ids[]=null"), "oncalls", 0).(map[string]any)
	for _, name := range []string{"schedule", "start", "end"} {
		if v, there := direct[name]; !there || v != nil {
			t.Errorf("direct: %s is %v, want null", name, v)
		}
	}
}

func TestTheClockEndsAShift(t *testing.T) {
	b := newBench(t)
	who := func() any { return at(b.get("/oncalls?schedule_ids[]=PS00001"), "oncalls", 0, "user", "id") }
	b.call(200, "POST", "/_sim/clock", obj{"advance": "1h59m59s"})
	if who() != "PU0ANN" {
		t.Errorf("a second before the end: %v", who())
	}
	b.Advance(1e9)
	if who() != "PU0BOB" {
		t.Errorf("at the end: %v", who())
	}
	b.call(200, "POST", "/_sim/clock", obj{"now": "2026-11-23T09:00:00Z"})
	if who() != "PU0ANN" || !b.Now().Equal(monday) {
		t.Errorf("back at nine: %v at %v", who(), b.Now())
	}
}

func TestASchedulesKindDecidesWhereItStands(t *testing.T) {
	b := newBench(t)
	if got := pluck(b.get("/schedules")["schedules"], "id"); !cmp.Equal(got, []any{"PS00001", "PS00009"}) {
		t.Errorf("classic: %v", got)
	}
	if got := pluck(b.get("/v3/schedules")["schedules"], "id"); !cmp.Equal(got, []any{"PS00003"}) {
		t.Errorf("shift-based: %v", got)
	}
	if _, list := at(b.call(400, "GET", "/schedules/PS00003", nil), "error", "errors").([]any); !list {
		t.Error("the classic endpoint does not give its errors as a list")
	}
	if _, fields := at(b.call(400, "GET", "/v3/schedules/PS00001", nil), "error", "errors").(map[string]any); !fields {
		t.Error("the v3 endpoint does not give its errors as an object")
	}
	b.call(400, "GET", "/schedules/PS00003/users", nil)
	b.call(404, "GET", "/v3/schedules/NONE", nil)
}

func TestAShiftBasedScheduleShowsSeveralPeopleAndEmptySlotsByID(t *testing.T) {
	b := newBench(t)
	path := "/v3/schedules/PS00003?since=2026-11-23T09:00:00Z&until=2026-11-23T11:00:00Z&include[]=final_schedule"
	shifts := at(b.get(path), "schedule", "final_schedule", "computed_shift_assignments")
	want := []any{obj{"type": "user_member", "user_id": "PU0BOB"}, obj{"type": "user_member", "user_id": "PU0CID"}, obj{"type": "empty_member"}}
	if diff := cmp.Diff(want, pluck(shifts, "member")); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if start := at(shifts, 0, "start_time"); start != "2026-11-23T09:00:00Z" {
		t.Errorf("the first shift is not cut at the window: %v", start)
	}
	if got := at(b.get(path), "schedule", "final_schedule", "rendered_coverage_percentage"); got != 50.0 {
		t.Errorf("coverage %v, want 50", got)
	}
	if at(b.get("/v3/schedules/PS00003"), "schedule", "final_schedule") != nil {
		t.Error("the final schedule is there without being asked for")
	}
}

func TestAnOverrideStandsInForTheShiftUntilItIsDeleted(t *testing.T) {
	b := newBench(t)
	resp, text := b.ask(ask{}, "POST", "/schedules/PS00001/overrides", obj{"overrides": []obj{
		{"start": "2026-11-23T09:30:00Z", "end": "2026-11-23T10:00:00Z", "user": obj{"id": "PU0DEE", "type": "user_reference"}},
		{"start": "2026-11-23T10:00:00Z", "end": "2026-11-23T09:00:00Z", "user": obj{"id": "PU0DEE", "type": "user_reference"}},
	}})
	if resp.StatusCode != 201 {
		t.Fatalf("status %d: %s", resp.StatusCode, text)
	}
	final := func() any {
		return at(b.get("/schedules/PS00001?since=2026-11-23T09:00:00Z&until=2026-11-23T11:00:00Z"), "schedule", "final_schedule", "rendered_schedule_entries")
	}
	if got := pluck(final(), "user", "id"); !cmp.Equal(got, []any{"PU0ANN", "PU0DEE", "PU0ANN"}) {
		t.Errorf("with the override: %v", got)
	}
	b.Advance(45 * 60e9)
	if got := at(b.get("/oncalls?schedule_ids[]=PS00001"), "oncalls", 0, "user", "id"); got != "PU0DEE" {
		t.Errorf("on call during the override: %v", got)
	}
	list := b.get("/schedules/PS00001/overrides?since=2026-11-23T09:00:00Z&until=2026-11-23T11:00:00Z")["overrides"]
	if n := len(list.([]any)); n != 1 {
		t.Fatalf("%d overrides, want 1", n)
	}
	b.call(200, "DELETE", "/schedules/PS00001/overrides/"+at(list, 0, "id").(string), nil)
	if got := at(b.get("/oncalls?schedule_ids[]=PS00001"), "oncalls", 0, "user", "id"); got != "PU0ANN" {
		t.Errorf("on call after the override is cut: %v", got)
	}
}
