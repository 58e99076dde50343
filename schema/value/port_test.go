package value_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dstackai/dstack-planner/schema/value"
)

func portRows() map[string]reading {
	return map[string]reading{
		// VAL-10
		"one port":                     {text: "8000", canonical: "8000:8000"},
		"a number":                     {hcl: "8000", canonical: "8000:8000"},
		"two ports":                    {text: "9000:8000", canonical: "9000:8000"},
		"any local port":               {text: "*:8000", canonical: "*:8000"},
		"blanks":                       {text: " * : 8000 ", canonical: "*:8000"},
		"leading zeros":                {text: "080:0080", canonical: "80:80"},
		"the last port":                {hcl: "65535", canonical: "65535:65535"},
		"an object":                    {hcl: `{ local_port = 9000, container_port = "8000" }`, canonical: "9000:8000"},
		"an object with any local":     {hcl: `{ container_port = 8000 }`, canonical: "*:8000"},
		"an object with a null":        {hcl: `{ local_port = null, container_port = 8000 }`, canonical: "*:8000"},
		"port 0":                       {hcl: "0", err: "Port mapping is out of range", says: `"0" is no port.`},
		"port 0 in a text":             {text: "8000:0", err: "Port mapping is out of range", marks: "0"},
		"port 65536":                   {text: "65536", err: "Port mapping is out of range", marks: "65536"},
		"a negative port":              {text: "-80:80", err: "Port mapping is out of range", marks: "-80"},
		"a fraction":                   {hcl: "80.5", err: "Port mapping is not a number"},
		"a word":                       {text: "9000:http", err: "Port mapping is not a number", marks: "http"},
		"no container port":            {text: "9000:", err: "Port mapping lacks the container's port", marks: ":"},
		"no local port":                {text: ":8000", err: "Port mapping lacks a port", marks: ":"},
		"any container port":           {text: "8000:*", err: "Port mapping is not a number", marks: "*"},
		"three ports":                  {text: "1:2:3", err: "Port mapping has too many parts", marks: ":3"},
		"a blank inside a port":        {text: " 1 0", err: "Port mapping is not a number", marks: "1 0"},
		"a word behind blanks":         {text: "80: x ", err: "Port mapping is not a number", marks: "x"},
		"a star alone":                 {text: "*", err: "Port mapping is not a number", marks: "*"},
		"nothing":                      {text: "", err: "Port mapping is empty"},
		"an object without container":  {hcl: `{ local_port = 9000 }`, err: "Port mapping lacks the container's port"},
		"an object with port 0":        {hcl: `{ local_port = 0, container_port = 1 }`, err: "Port mapping is out of range", path: ".local_port"},
		"an object with an empty port": {hcl: `{ container_port = "" }`, err: "Port mapping is empty", path: ".container_port"},
		"an object with a bool":        {hcl: `{ container_port = true }`, err: "Port mapping has the wrong type", path: ".container_port"},
		"an object with another key":   {hcl: `{ container_prt = 80 }`, err: "Port mapping has an unknown key", says: `"container_port"`, path: ".container_prt"}, // VAL-15
		"a bool is not allowed":        {hcl: "true", err: "Port mapping has the wrong type"},
	}
}

func TestPortMapping(t *testing.T) {
	readAll[value.PortMapping](t, portRows())

	p := value.Must(value.ParsePortMapping("9000:8000"))
	local, fixed := p.Local()
	require.True(t, fixed)
	require.Equal(t, []int{9000, 8000}, []int{local, p.Container()})
	_, fixed = value.Must(value.ParsePortMapping("*:8000")).Local()
	require.False(t, fixed)
	require.True(t, value.Must(value.ParsePortMapping("8000")).Equal(value.Must(value.ParsePortMapping("8000:8000"))))
}

func servicePortRows() map[string]reading {
	return map[string]reading{
		"a port of the container":     {hcl: "8000", canonical: "80:8000"},
		"the same as text":            {text: "8000", canonical: "80:8000"},
		"two ports":                   {text: "8080:8000", canonical: "8080:8000"},
		"an object":                   {hcl: `{ local_port = 8080, container_port = 8000 }`, canonical: "8080:8000"},
		"an object without local":     {hcl: `{ container_port = 8000 }`, canonical: "80:8000"},
		"any port":                    {text: "*:8000", err: "Service port has no fixed port", marks: "*"},
		"port 0":                      {hcl: "0", err: "Service port is out of range"},
		"port 65536":                  {text: "80:65536", err: "Service port is out of range", marks: "65536"},
		"a blank inside a port":       {text: "0 1", err: "Service port is not a number", marks: "0 1"},
		"no container port":           {text: "80:", err: "Service port lacks the container's port", marks: ":"},
		"no service port":             {text: ":80", err: "Service port lacks a port", marks: ":"},
		"nothing":                     {text: "", err: "Service port is empty"},
		"an object without container": {hcl: `{ local_port = 80 }`, err: "Service port lacks the container's port"},
		"a list is not allowed":       {hcl: "[80]", err: "Service port has the wrong type"},
	}
}

func TestServicePort(t *testing.T) {
	readAll[value.ServicePort](t, servicePortRows())

	p := value.Must(value.ParseServicePort("8000"))
	require.Equal(t, []int{80, 8000}, []int{p.Local(), p.Container()})
	require.True(t, p.Equal(value.Must(value.ParseServicePort("80:8000"))))
}
