package launch

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// seal copies a program into memory that can no longer be written, and returns it with the checksum of the copy. Where
// the kernel forbids running from memory, the copy is in a private folder.
func seal(path string) (*program, error) {
	src, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	fd, err := unix.MemfdCreate(filepath.Base(path), unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // a kernel before 6.3 does not know MFD_EXEC and needs no permission
		fd, err = unix.MemfdCreate(filepath.Base(path), unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return sealInFolder(path)
	}
	mem := os.NewFile(uintptr(fd), path)
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(mem, h), src); err != nil {
		return nil, errors.Join(err, mem.Close())
	}
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return nil, errors.Join(fmt.Errorf("seal the copy: %w", err), mem.Close())
	}
	return &program{
		path: path,
		// By our own number: in the child the same descriptor may already be something else.
		run:     fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd),
		sum:     hex.EncodeToString(h.Sum(nil)),
		release: mem.Close,
	}, nil
}
