package cli

import (
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dstackai/dstack-planner/planner/render"
	"github.com/dstackai/dstack-planner/pullrequest"
)

// commented is what comment --json prints.
type commented struct {
	FormatVersion string              `json:"format_version"`
	Outcome       pullrequest.Outcome `json:"outcome"`
	Host          pullrequest.Host    `json:"host"`
	Repository    string              `json:"repository"`
	PullRequest   int64               `json:"pull_request"`
	ID            int64               `json:"id"`
	URL           string              `json:"url,omitempty"`
	Name          string              `json:"name,omitempty"`
}

func commentCommand(a *app) *cobra.Command {
	var said pullrequest.Said
	var dirs []string
	var host, name string
	var wait time.Duration
	cmd := &cobra.Command{
		Use: "comment PLAN", Short: "Write a saved plan on its pull request",
		Long: "Writes a plan that dstack plan --out has saved on the pull request that the job is of, on GitHub or GitLab, as one comment that later runs change in place. " +
			"Neither the configuration nor a provider is needed.\n\n" +
			"Which pull request that is, the environment of the job says. The token is taken from GITHUB_TOKEN (it needs pull-requests: write) or GITLAB_TOKEN (it needs the scope api and the role Reporter). " +
			"Several plans in one repository have a comment each, told apart by --name.",
		Args: args(1, 1, "one saved plan"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if said.Host = pullrequest.Host(host); host != "" && said.Host != pullrequest.GitHub && said.Host != pullrequest.GitLab {
				return usage(cmd, "--host is github or gitlab, not %q.", host)
			}
			if cmd.Flags().Changed("pull-request") && said.Number <= 0 {
				return usage(cmd, "--pull-request is a number above 0, not %d.", said.Number)
			}
			if wait < 0 {
				return usage(cmd, "--wait cannot be negative; 0s waits for no rate limit.")
			}
			p, err := readPlan(args[0])
			if err != nil {
				return err
			}
			if err := a.judgeAlso(cmd.Context(), p, dirs); err != nil {
				return err
			}
			place, err := pullrequest.Find(said, pullrequest.Environment{Getenv: a.getenv, ReadFile: os.ReadFile})
			if err != nil {
				return failedWith(err, "Comment cannot be written")
			}
			s := a.subject(args[0], name, cmd.Flags().Changed("name"))
			comment := pullrequest.Comment{Marker: render.Marker(s.name), Body: string(render.Markdown(p, s.markdown(place.Host.Limit())))}
			if wait == 0 {
				wait = -1
			}
			ctx, cancel := a.interruptible(cmd.Context())
			defer cancel()
			kept, err := pullrequest.Keep(ctx, place, comment, pullrequest.Options{
				Patience: wait, Agent: "dstack/" + a.version, Log: a.log, Say: a.say,
			})
			if err != nil {
				return failedWith(err, "Comment cannot be written")
			}
			if a.json {
				return a.printJSON(commented{"1.0", kept.Outcome, place.Host, place.Project, place.Number, kept.ID, kept.URL, s.name})
			}
			a.printf("%s\n", strings.TrimSpace(string(kept.Outcome)+" "+kept.URL))
			return nil
		},
	}
	flags := cmd.Flags()
	nameFlag(cmd, &name)
	flags.StringVar(&host, "host", "", "where the pull request is: github or gitlab; the environment of a job says it")
	flags.StringVar(&said.Project, "repository", "", "`OWNER/NAME` of the repository, or number or path of the project on GitLab")
	flags.Int64Var(&said.Number, "pull-request", 0, "`NUMBER` of the pull request")
	flags.StringVar(&said.API, "api", "", "`URL` of the API, of an own server")
	flags.DurationVar(&wait, "wait", 5*time.Minute, "how long rate limits are waited for, all together")
	policyFlag(cmd, &dirs)
	jsonFlag(a, cmd, "print what became of the comment as one JSON object")
	return cmd
}
