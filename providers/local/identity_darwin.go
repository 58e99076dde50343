package local

import "golang.org/x/sys/unix"

// systemID is the hardware's UUID.
func systemID() string {
	id, err := unix.Sysctl("kern.uuid")
	if err != nil {
		return ""
	}
	return id
}
