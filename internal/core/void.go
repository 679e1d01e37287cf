package core

import "strings"

// Void says why a review does not count any more: who gave it, or the person behind them, is
// locked or gone now. It is empty for a review that counts. What was decided stays decided.
func (d *Directory) Void(rev Review) string {
	switch name, why := d.behind(&rev); why {
	case gone:
		return name + " was removed"
	case locked:
		return name + " is locked"
	default:
		return ""
	}
}

// stands is Void without the words.
func (d *Directory) stands(rev *Review) bool {
	_, why := d.behind(rev)
	return why == present
}

// asTeleport lets every review stand, as Teleport does.
func asTeleport(*Review) bool { return true }

// An absence is why somebody may not act.
type absence int

const (
	present absence = iota
	locked
	gone
)

// behind finds who is locked or gone among those behind a review.
func (d *Directory) behind(rev *Review) (who string, why absence) {
	if who, why = d.absent(rev.Author); why != present || rev.Human == "" || rev.Human == d.Human(rev.Author) {
		return who, why
	}
	who, why = rev.Human, gone // somebody acted as the author, or the author had another owner then
	for i := range d.list {
		if u := &d.list[i]; personKey(u.Name) == rev.Human {
			if !u.Locked {
				return "", present
			}
			who, why = u.Name, locked
		}
	}
	return who, why
}

// Active refuses a name that is unknown or locked, and a bot whose owner is.
func (d *Directory) Active(name string) error {
	who, why := d.absent(name)
	switch {
	case why == present:
		return nil
	case why == gone && who == name:
		return Errorf(Refused, "there is no user %q", name).WithHint("users there are: sallyport get users")
	case why == gone:
		return Errorf(Refused, "%s is the bot of %s, whom there is no more", name, who).
			WithHint("an administrator can give it another owner: sallyport edit users/%s", name)
	case who == name:
		return Errorf(Refused, "user %s is locked", name).WithHint("an administrator can unlock with: sallyport edit users/%s", name)
	}
	return Errorf(Refused, "%s is the bot of %s, who is locked", name, who).
		WithHint("an administrator can unlock with: sallyport edit users/%s", who)
}

// absent finds who is locked or gone on the way from a name to the person behind it.
func (d *Directory) absent(name string) (who string, why absence) {
	for range maxOwners {
		i, known := d.users[name]
		if !known {
			return name, gone
		}
		u := &d.list[i]
		if u.Locked {
			return name, locked
		}
		if strings.TrimSpace(u.Owner) == "" {
			return "", present
		}
		name = u.Owner
	}
	return "", present
}
