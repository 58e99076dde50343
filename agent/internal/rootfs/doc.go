// Package rootfs answers one question: how does a job see folders of the machine at other paths, without a trace on the
// machine?
//
// On Linux the job gets a mount namespace whose root is a file system in memory. The entries of the machine's root are bound
// into it, so that the job sees the machine, and the job's mounts are bound over that. A mount point that is missing is made
// only in memory: right below the root it is a new folder there; deeper down, the deepest folder that exists is covered by one
// in memory into which its entries are bound, so what the job writes beside its mount point there is gone with the job.
// A mount point that is missing below another mount of the job is made in that mount.
//
// Where no namespace is to be had, mounts are symbolic links below a folder that the job is told of.
package rootfs
