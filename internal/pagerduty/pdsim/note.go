package pdsim

import "time"

func (s *Server) listNotes(q *request) (answer, error) {
	i := s.incident(q.PathValue("id"))
	if i == nil {
		return answer{}, failNotFound
	}
	return ok(obj{"notes": each(i.Notes, s.note)})
}

// createNote adds a note; a resolved incident takes notes too.
func (s *Server) createNote(q *request) (answer, error) {
	var in struct {
		Note struct {
			Content string `json:"content"`
		} `json:"note"`
	}
	if err := q.read(&in); err != nil {
		return answer{}, err
	}
	i := s.incident(q.PathValue("id"))
	switch {
	case i == nil:
		return answer{}, failNotFound
	case in.Note.Content == "":
		return answer{}, invalid("Content cannot be empty")
	case len(i.Notes) >= maxNotes:
		return answer{}, invalid("An incident can have at most %d notes", maxNotes)
	}
	return ok(obj{"note": s.note(s.addNote(i, q.requester.ID, in.Note.Content))})
}

func (s *Server) addNote(i *Incident, by, content string) Note {
	n := Note{ID: s.newID("P"), User: by, Content: content, CreatedAt: s.now().Truncate(time.Second)}
	i.Notes = append(i.Notes, n)
	s.enter(i, LogEntry{Type: "annotate_log_entry", Summary: "Annotated", Channel: "note", Note: content, User: by})
	s.publish("incident.annotated", i, by, &n)
	return n
}

func (s *Server) note(n Note) obj {
	return obj{
		"id": n.ID, "user": s.account.userRef(n.User), "content": n.Content, "created_at": stamp(n.CreatedAt),
		"channel": obj{"summary": "The PagerDuty website or APIs"},
	}
}
