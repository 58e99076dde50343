package value_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/schema/value"
)

func userRows() map[string]reading {
	return map[string]reading{
		// VAL-14
		"a name":                   {text: "ubuntu", canonical: "ubuntu"},
		"an id":                    {text: "1000", canonical: "1000"},
		"a number":                 {hcl: "1000", canonical: "1000"},
		"root by id":               {hcl: "0", canonical: "0"},
		"ids":                      {text: "1000:1001", canonical: "1000:1001"},
		"leading zeros":            {text: "0010:000", canonical: "10:0"},
		"names":                    {text: "app:video", canonical: "app:video"},
		"a name and an id":         {text: "app.x-y_z$:44", canonical: "app.x-y_z$:44"},
		"the highest id":           {text: "4294967294", canonical: "4294967294"},
		"beyond the highest id":    {text: "4294967295", err: "User is out of range", marks: "4294967295"},
		"a negative id":            {text: "-1", err: "User is negative", marks: "-1"},
		"a negative number":        {hcl: "-1", err: "User is negative"},
		"a negative group":         {text: "1000:-1", err: "User is negative", says: "group", marks: "-1"},
		"a fraction":               {hcl: "1000.5", err: "User is not a whole number"},
		"three parts":              {text: "a:b:c", err: "User has too many parts", marks: ":c"},
		"no user":                  {text: ":1000", err: "User has an empty part", says: "The user is empty."},
		"no group":                 {text: "1000:", err: "User has an empty part", says: "The group is empty."},
		"a blank":                  {text: "a b", err: "User has an invalid character", marks: " "},
		"a slash in the group":     {text: "a:b/c", err: "User has an invalid character", marks: "/"},
		"a byte of no character":   {text: "a\x90b", err: "User has an invalid character", marks: "\x90"},
		"a direction mark":         {text: "a:b\u202e", err: "User has an invalid character", marks: "\u202e"},
		"nothing":                  {text: "", err: "User is empty"},
		"a bool is not allowed":    {hcl: "true", err: "User has the wrong type"},
		"an object is not allowed": {hcl: `{ user = "a" }`, err: "User has the wrong type"},
	}
}

func TestUnixUser(t *testing.T) {
	readAll[value.UnixUser](t, userRows())

	u := value.Must(value.ParseUnixUser("01000:video"))
	uid, ok := u.UID()
	require.True(t, ok)
	require.EqualValues(t, 1000, uid)
	_, ok = u.GID()
	require.False(t, ok)
	require.Equal(t, []string{"1000", "video"}, []string{u.User(), u.Group()})
	_, ok = value.Must(value.ParseUnixUser("1000")).GID()
	require.False(t, ok, "no group is given")
	require.True(t, u.Equal(value.Must(value.ParseUnixUser("1000:video"))))

	for _, text := range []string{"a\xff", "a\x00", "a\u00a0b", "a\u202eb"} {
		_, err := value.ParseUnixUser(text)
		require.Error(t, err, "%q", text)
	}
}
