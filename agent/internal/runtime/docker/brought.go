package docker

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// imagesFile, in the folder of the agent, has a line for each image that was not on the machine before: its name, or the id of one that
// a newer one took the name of.
const imagesFile = "images"

// agentDir is the folder of the agent of which this is a job's: DIR of DIR/jobs/ID.
func agentDir(job string) string { return filepath.Dir(filepath.Dir(job)) }

// bring writes down that an image is ours, before it is pulled: what is not written down nobody would remove.
func bring(job, name string) error {
	if brought(job, name) {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(agentDir(job), imagesFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write down which images are pulled: %w", err)
	}
	defer f.Close()
	if _, err = f.WriteString(name + "\n"); err != nil {
		return fmt.Errorf("write down which images are pulled: %w", err)
	}
	return nil
}

func brought(job, name string) bool { return slices.Contains(Images(agentDir(job)), name) }

// Images are the images that the agent in a folder has pulled and that were not on the machine before, by their names, or by their
// ids where they have lost theirs. Some may be gone by now.
func Images(dir string) []string {
	text, err := os.ReadFile(filepath.Join(dir, imagesFile))
	if err != nil {
		return nil
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		if name := strings.TrimSpace(line); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// RemoveImages removes what Images lists. One that a container or another name still uses stays, and kept says why; one that is
// gone is not mentioned.
func (r Runtime) RemoveImages(ctx context.Context, dir string) (removed, kept []string) {
	names := Images(dir)
	if len(names) == 0 {
		return nil, nil
	}
	e, err := r.open()
	if err != nil {
		return nil, []string{fmt.Sprintf("%s stay: %v", strings.Join(names, ", "), err)}
	}
	defer e.Close()
	for _, name := range names {
		err := e.do(ctx, "remove image "+name, func(ctx context.Context) error {
			_, err := e.ImageRemove(ctx, name, client.ImageRemoveOptions{PruneChildren: true})
			return err
		})
		switch {
		case err == nil:
			removed = append(removed, name)
		case errdefs.IsNotFound(err):
		case errdefs.IsConflict(err):
			kept = append(kept, fmt.Sprintf("image %s stays: something else uses it", name))
		default:
			kept = append(kept, fmt.Sprintf("image %s stays: %v", name, err))
		}
	}
	return removed, kept
}
