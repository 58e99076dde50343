package local

import (
	"fmt"
	"os/user"
	"strconv"

	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/schema/value"
)

// lookUpUser finds a user of this machine by name or number, with the group that is written, else with the user's own.
func lookUpUser(u value.UnixUser) (*api.User, error) {
	out := &api.User{}
	uid, numeric := u.UID()
	var found *user.User
	var err error
	if numeric {
		found, err = user.LookupId(strconv.FormatUint(uint64(uid), 10))
	} else {
		found, err = user.Lookup(u.User())
	}
	switch {
	case err == nil:
		if out.UID, out.GID, err = ids(found); err != nil {
			return nil, err
		}
		groups, err := found.GroupIds()
		if err != nil {
			return nil, fmt.Errorf("list the groups of user %s: %w", found.Username, err)
		}
		for _, g := range groups {
			if n, err := number(g); err == nil {
				out.Groups = append(out.Groups, n)
			}
		}
	case numeric:
		out.UID, out.GID = uid, uid // one that the machine has no name for
	default:
		return nil, fmt.Errorf("this machine has no user %s", u.User())
	}
	if u.Group() == "" {
		return out, nil
	}
	if gid, ok := u.GID(); ok {
		out.GID = gid
		return out, nil
	}
	g, err := user.LookupGroup(u.Group())
	if err != nil {
		return nil, fmt.Errorf("this machine has no group %s", u.Group())
	}
	out.GID, err = number(g.Gid)
	return out, err
}

func ids(u *user.User) (uid, gid uint32, err error) {
	if uid, err = number(u.Uid); err == nil {
		gid, err = number(u.Gid)
	}
	return uid, gid, err
}

func number(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	return uint32(n), err
}
