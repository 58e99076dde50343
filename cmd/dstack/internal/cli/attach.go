package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"github.com/dstackai/dstack-planner/addr"
	"github.com/dstackai/dstack-planner/agent/api"
	"github.com/dstackai/dstack-planner/agent/client"
	"github.com/dstackai/dstack-planner/cmd/dstack/internal/sshconfig"
	"github.com/dstackai/dstack-planner/planner"
	"github.com/dstackai/dstack-planner/providers"
	"github.com/dstackai/dstack-planner/providers/host"
	"github.com/dstackai/dstack-planner/schema"
	"github.com/dstackai/dstack-planner/statefile"
)

// attaching is what attach was asked for.
type attaching struct {
	in         inputs
	job        int
	chosen     bool // the job was named
	ports      []string
	host       string
	logs       bool
	noConfig   bool
	connection bool // only join standard input and output with the job, for ssh
}

func attachCommand(a *app) *cobra.Command {
	var at attaching
	var replica int
	cmd := &cobra.Command{
		Use: "attach RUN", Short: "Forward the ports of a run, and let ssh find it", Args: args(1, 1, "the name of one run"),
		Long: "Waits until the run runs, forwards its ports to this machine, and writes an entry for `ssh RUN` to $DSTACK_HOME/ssh/config, which works without attach, too. Ctrl-C detaches; the run goes on. A second Ctrl-C asks whether it shall stop.",
		RunE: func(cmd *cobra.Command, args []string) error {
			at.chosen = cmd.Flags().Changed("job") || cmd.Flags().Changed("replica")
			if cmd.Flags().Changed("replica") {
				if cmd.Flags().Changed("job") {
					return usage(cmd, "--job and --replica say the same thing; give one of them.")
				}
				at.job = replica
			}
			return a.attach(cmd, args[0], at)
		},
	}
	at.in.register(cmd)
	fs := cmd.Flags()
	fs.IntVar(&at.job, "job", 0, "the number of the job: the node's rank")
	fs.IntVar(&replica, "replica", 0, "the number of the replica of a service")
	fs.StringArrayVarP(&at.ports, "port", "p", nil, "forward a port of the job: `LOCAL:JOB`; can be repeated")
	fs.StringVar(&at.host, "host", "127.0.0.1", "the `ADDRESS` of this machine on which forwarded ports listen")
	fs.BoolVar(&at.logs, "logs", false, "follow the output of the run")
	fs.BoolVar(&at.noConfig, "no-ssh-config", false, "leave ~/.ssh/config as it is, and do not ask about it")
	fs.BoolVar(&at.connection, "proxy", false, "be the ProxyCommand of ssh")
	_ = fs.MarkHidden("proxy") // it is there
	return cmd
}

// attach follows one job of a run.
func (a *app) attach(cmd *cobra.Command, name string, at attaching) error {
	extra, err := parsePorts(at.ports)
	if err != nil {
		return err
	}
	ctx, cancel := a.interruptible(cmd.Context())
	defer cancel()
	f, err := a.openState(ctx, at.in)
	if err != nil {
		return err
	}
	defer f.close()
	ru, j, err := a.waitRunning(ctx, f, name, at)
	if err != nil {
		return err
	}
	st, err := f.state(ctx)
	if err != nil {
		return err
	}
	instance := addressesOf(st, j.Instance)
	open := f.planner().Open(ctx, st)
	defer open.Close()
	to, err := open.ConnectJob(ctx, j.address)
	if err != nil {
		return failedWith(err, "Job cannot be entered")
	}
	agent := client.New(to.Folder)
	defer agent.Close()
	job, err := agent.Job(ctx, to.Job)
	if err != nil {
		return failedWith(err, "Job cannot be entered")
	}
	d := &door{app: a, agent: agent, job: job, name: hostName(ru.Name, j.Index), files: a.sshFiles(), own: instance}
	d.alias = aliasPrefix(st) + d.name
	err = d.files.Know(d.alias, job.HostKey, job.ID)
	switch {
	case errors.Is(err, sshconfig.ErrChanged):
		return fail(exitError, "Host key has changed", "%s.\nThis is not the job that it was: somebody may listen in. If you know why, take its line out of the file.", capital(err.Error()))
	case at.connection && err != nil:
		return failedWith(err, "Key of the job cannot be noted")
	case at.connection:
		return d.pump(ctx)
	case err == nil:
		err = d.configure(ru, j, at)
	}
	if d.sshless = err; err != nil {
		a.say("ssh does not find %s, because its files cannot be written: %v. Ports are forwarded all the same.", d.name, err)
	}
	return a.attached(ctx, cmd, f, ru, j, d, at, extra)
}

func (a *app) sshFiles() sshconfig.Files { return sshconfig.Files{Dir: filepath.Join(a.home, "ssh")} }

// aliasPrefix begins the names by which ssh knows the keys of a state's jobs.
func aliasPrefix(st *statefile.State) string { return "dstack." + st.Lineage() + "." }

// addressesOf are the names of the instance that a job is on, as its programs may print them.
func addressesOf(st *statefile.State, instance string) []string {
	res := st.Resource(instance)
	if res == nil {
		return nil
	}
	v, err := schema.UnmarshalValue(schema.KindObject(addr.KindInstance), res.Attributes)
	if err != nil {
		return nil
	}
	i, err := schema.Decode[schema.Instance](v)
	if err != nil {
		return nil
	}
	return []string{i.Hostname, i.InternalIP}
}

// forgetEnded takes what is known of ended runs out of the files for ssh, where another machine may have such a name.
func (a *app) forgetEnded(st *statefile.State, r *recorded) {
	goOn := map[string]bool{}
	for i := range r.runs {
		for k := range r.runs[i].Jobs {
			if j := &r.runs[i].Jobs[k]; !planner.Ended(j.Status) {
				goOn[hostName(r.runs[i].Name, j.Index)] = true
			}
		}
	}
	a.forgetBut(st, goOn)
}

// forgetDestroyed is forgetEnded without asking anybody: by what the state has recorded.
func (a *app) forgetDestroyed(st *statefile.State) {
	goOn := map[string]bool{}
	for _, res := range st.Resources() {
		if res.Kind != addr.KindJob || planner.Ended(res.Status) {
			continue
		}
		if at, err := addr.ParseResource(res.Address); err == nil {
			goOn[hostName(jobOf(res.Attributes).Run, at.Index())] = true
		}
	}
	a.forgetBut(st, goOn)
}

func (a *app) forgetBut(st *statefile.State, goOn map[string]bool) {
	keep := func(name string) bool { return goOn[name] }
	files := a.sshFiles()
	if err := errors.Join(files.Prune(aliasPrefix(st), keep), forgetTurns(files, aliasPrefix(st), keep)); err != nil {
		a.log.Warn("files for ssh cannot be changed", "error", err)
	}
}

// hostName is what ssh calls a job: as its run, or for others than the first with its number.
func hostName(run string, index int) string {
	if index == 0 {
		return run
	}
	return fmt.Sprintf("%s-%d", run, index)
}

// waitRunning returns when the job runs. One that has ended is an error.
func (a *app) waitRunning(ctx context.Context, f *folder, name string, at attaching) (*run, *runJob, error) {
	said := ""
	for {
		st, r, err := f.look(ctx, addr.KindJob)
		if ctx.Err() != nil {
			return nil, nil, exit(exitInterrupted)
		}
		if err != nil {
			return nil, nil, failedWith(err, "Runs cannot be read")
		}
		a.forgetEnded(st, r)
		ru, err := r.findRun(name)
		if err != nil {
			return nil, nil, err
		}
		j, err := ru.pick(at.job, at.chosen)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case planner.Ended(j.Status) || j.Status == "terminating" || j.Status == "lost":
			return nil, nil, fail(exitError, "Run has ended", "%s is %s, and nobody can enter it. To see what it said:\n  %s logs %s", ru.Name, j.end(), a.dstack(), shellWord(ru.Name))
		case j.NotChecked != "":
			return nil, nil, fail(exitError, "Run cannot be reached", "%s was not found in its place: %s.", ru.Name, strings.TrimSuffix(j.NotChecked, "."))
		case j.Status == "running":
			return ru, j, nil
		}
		if said != j.Status {
			said = j.Status
			a.say("%s is %s; waiting until it runs.", ru.Name, j.Status)
		}
		if sleep(ctx, pollEvery) != nil {
			return nil, nil, exit(exitInterrupted)
		}
	}
}

// attached forwards ports and follows the output until the job ends or somebody detaches.
func (a *app) attached(ctx context.Context, cmd *cobra.Command, f *folder, ru *run, j *runJob, d *door, at attaching, extra []forward) error {
	conn, err := d.enter(ctx)
	if ctx.Err() != nil {
		return exit(exitInterrupted)
	}
	if err != nil {
		return failedWith(err, "Job cannot be entered")
	}
	defer conn.Close()
	t, err := d.tunnel(at.host, merge(j.forwards, extra))
	if err != nil {
		return err
	}
	d.show(ru, j, t)
	seen := linksOf(t.list, append(d.own, d.job.Address)...)
	var served sync.WaitGroup
	serving, end := context.WithCancel(ctx)
	served.Go(func() { t.serve(serving, conn) })
	release := sync.OnceFunc(func() {
		end()
		served.Wait()
		t.close()
	})
	defer release()
	gone := make(chan struct{})
	go func() {
		conn.Wait() // its error is that it is over
		close(gone)
	}()
	if at.logs {
		if err := a.printLog(ctx, f, ru, j, providers.LogOptions{Follow: true}, logStyle{links: seen}); err != nil && ctx.Err() == nil {
			return err
		}
	}
	select {
	case <-gone:
	case <-ctx.Done():
	}
	if ctx.Err() == nil {
		return a.outlived(ctx, f, ru)
	}
	a.quietInterrupt = true
	release()
	conn.Close()
	if !a.screen.live {
		a.say("Detached from %s; it goes on.", ru.Name)
		return nil
	}
	a.say("Detached from %s; it goes on. Ctrl-C again to stop it.", ru.Name)
	yes, err := a.shallStop(ru, time.After(againTime))
	if !yes || err != nil {
		return err
	}
	ctx, cancel := a.interruptible(cmd.Context())
	defer cancel()
	return a.stop(ctx, f, ru, false)
}

// shallStop asks whether a run shall stop if there is another Ctrl-C before the time is over.
func (a *app) shallStop(ru *run, over <-chan time.Time) (bool, error) {
	select {
	case <-a.signals:
	case <-over:
		return false, nil
	}
	err := a.confirm("dstack attach", "Shall "+ru.Name+" stop?", a.dstack()+" stop "+shellWord(ru.Name)+" --auto-approve")
	return err == nil, err
}

// againTime is how long a second Ctrl-C is waited for.
const againTime = 2 * time.Second

// outlived says how a run ended that was attached to.
func (a *app) outlived(ctx context.Context, f *folder, ru *run) error {
	for range 40 { // its connection ends a moment before it does
		st, r, err := f.look(ctx, addr.KindJob)
		if err != nil {
			return failedWith(err, "Runs cannot be read")
		}
		if now := r.at(ru.Address); now != nil && !now.unfinished() {
			a.forgetEnded(st, r)
			a.say("%s has ended: %s.", now.Name, now.ends())
			if why := now.why(); why != "" {
				a.say("%s", why)
			}
			return nil
		}
		if sleep(ctx, pollEvery) != nil {
			return exit(exitInterrupted)
		}
	}
	return fail(exitError, "Connection was lost", "The connection to %s has ended, and the run goes on. To attach again:\n  %s attach %s", ru.Name, a.dstack(), shellWord(ru.Name))
}

// door is the way into one job.
type door struct {
	app   *app
	agent *client.Client
	job   api.Job
	name  string // for ssh
	alias string // in known_hosts
	files sshconfig.Files
	own   []string // names that the job's machine has for itself

	sshless error // why ssh does not find the job
}

// pump joins the program's standard input and output with the job's SSH server.
func (d *door) pump(ctx context.Context) error {
	conn, err := d.agent.Enter(ctx, d.job.ID, client.Person)
	if err != nil {
		return failedWith(err, "Job cannot be entered")
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	go func() {
		io.Copy(conn, d.app.in)
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			half.CloseWrite()
		}
	}()
	io.Copy(d.app.out, conn) // ssh says what is wrong with its connection
	return nil
}

// enter opens a connection of our own.
func (d *door) enter(ctx context.Context) (*ssh.Client, error) {
	own, err := host.OwnKey(d.app.home)
	if err != nil {
		return nil, err
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(d.job.HostKey))
	if err != nil {
		return nil, fmt.Errorf("read the key of the job: %w", err)
	}
	conn, err := d.agent.Enter(ctx, d.job.ID, client.Person)
	if err != nil {
		return nil, err
	}
	c, channels, requests, err := ssh.NewClientConn(conn, d.name, &ssh.ClientConfig{
		User: "dstack", Auth: []ssh.AuthMethod{ssh.PublicKeys(own)}, HostKeyCallback: ssh.FixedHostKey(key),
	})
	if err != nil {
		conn.Close()
		return nil, err
	}
	return ssh.NewClient(c, channels, requests), nil
}

// configure lets the user's own ssh find the job.
func (d *door) configure(ru *run, j *runJob, at attaching) error {
	folder, err := os.Getwd()
	if err != nil {
		return err
	}
	proxy := []string{"env", "DSTACK_HOME=" + d.app.home, d.app.program, "-C", folder, "attach", "--proxy"}
	if at.chosen || j.Index != 0 {
		proxy = append(proxy, "--job", fmt.Sprint(j.Index))
	}
	err = d.files.Put(sshconfig.Host{Name: d.name, Alias: d.alias, User: "dstack", Identity: host.OwnKeyFile(d.app.home), Proxy: append(proxy, ru.Name)})
	if err != nil {
		return err
	}
	home, err := os.UserHomeDir()
	if err != nil || at.noConfig {
		return nil
	}
	own := filepath.Join(home, ".ssh", "config")
	asked := filepath.Join(d.files.Dir, "asked")
	if _, err := os.Stat(asked); err == nil || d.files.Included(own) || d.app.screen.questions == nil {
		return nil
	}
	if err := os.WriteFile(asked, nil, 0o600); err != nil {
		return err
	}
	question := fmt.Sprintf("`ssh %s` works when %s includes %s. Shall a line for that be put on top of it?", d.name, own, d.files.Config())
	if d.app.confirm("dstack attach", question, d.app.dstack()+" attach --no-ssh-config "+shellWord(ru.Name)) != nil {
		return nil // ssh -F does without
	}
	if err := d.files.Include(own); err != nil {
		d.app.say("%s cannot be changed: %v. `ssh -F %s %s` does without.", own, err, d.files.Config(), d.name)
	}
	return nil
}

// show says what there is now.
func (d *door) show(ru *run, j *runJob, t *tunnel) {
	a := d.app
	if len(t.list) > 0 {
		a.printf("JOB PORT  LOCAL ADDRESS\n")
		for _, l := range t.list {
			a.printf("%-8d  %s\n", l.job, l.address)
		}
	}
	if t.shared() {
		a.say("Another attach forwards ports of %s already; they are shared, and stay when it ends.", ru.Name)
	}
	if d.sshless != nil {
		a.say("Attached to %s. Ctrl-C detaches.", ru.Name)
		return
	}
	command := "ssh " + d.name
	if home, err := os.UserHomeDir(); err != nil || !d.files.Included(filepath.Join(home, ".ssh", "config")) {
		command = "ssh -F " + shellWord(d.files.Config()) + " " + d.name
	}
	a.printf("To enter it:\n  %s\n", command)
	if link := ideLink(j.ide, d.name, d.job.WorkingDir); link != "" {
		a.printf("To open it in %s:\n  %s\n", ideName(j.ide), link)
	}
	a.say("Attached to %s. Ctrl-C detaches.", ru.Name)
}

// ideLink is what opens a folder of a job in an editor, "" for none.
func ideLink(ide, name, folder string) string {
	if ide != "vscode" && ide != "cursor" || folder == "" {
		return ""
	}
	return ide + "://vscode-remote/ssh-remote+" + name + (&url.URL{Path: folder}).EscapedPath()
}

func ideName(ide string) string {
	if ide == "cursor" {
		return "Cursor"
	}
	return "VS Code"
}
