package client

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/dstackai/dstack-planner/agent/api"
)

// SetAccess says who may enter the jobs of the instance from now on.
func (c *Client) SetAccess(ctx context.Context, a api.Access) error {
	return c.call(ctx, http.MethodPut, "/v1/access", nil, a, nil)
}

// Visit says what a connection into a job is for.
type Visit int

// A person's connection counts as presence; one that only serves others, such as a gateway's, does not.
const (
	Person Visit = iota
	Tunnel
)

// Enter connects to the SSH server in a job, which speaks first. The end of ctx ends only what is still to come about.
func (c *Client) Enter(ctx context.Context, id string, as Visit) (net.Conn, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, notThere(err))
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	entered, err := c.upgrade(conn, id, as)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return entered, nil
}

// upgrade asks for the SSH server of a job on a connection.
func (c *Client) upgrade(conn net.Conn, id string, as Visit) (net.Conn, error) {
	target := url.URL{Scheme: "http", Host: "dstack", Path: "/v1/jobs/" + id + "/ssh"}
	if as == Tunnel {
		target.RawQuery = "tunnel=1"
	}
	req, err := http.NewRequest(http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "ssh")
	if err := req.Write(conn); err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return &entered{conn, io.MultiReader(io.LimitReader(in, int64(in.Buffered())), conn)}, nil
	}
	defer resp.Body.Close()
	refusal := new(api.Error)
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(refusal); err != nil || refusal.Kind == "" {
		return nil, fmt.Errorf("%s: answered %s", c.name, resp.Status)
	}
	return nil, refusal
}

// entered is a connection of which the beginning was read together with what came before.
type entered struct {
	net.Conn
	in io.Reader
}

func (e *entered) Read(p []byte) (int, error) { return e.in.Read(p) }

// CloseWrite ends what is sent, where the connection can.
func (e *entered) CloseWrite() error {
	if half, ok := e.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
