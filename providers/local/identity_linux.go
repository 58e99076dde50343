package local

import (
	"os"
	"strings"
)

// systemID is what systemd and others keep; some containers have none.
func systemID() string {
	data, err := os.ReadFile("/etc/machine-id")
	if err != nil {
		return ""
	}
	id := strings.TrimSpace(string(data))
	if id == "uninitialized" {
		return ""
	}
	return id
}
