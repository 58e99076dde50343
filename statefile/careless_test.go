package statefile

import "strings"

// carelessDisk leaves out the operations that begin with skip and says that they
// were done.
type carelessDisk struct {
	*powerDisk
	skip string
}

func (d *carelessDisk) skips(op string) bool { return strings.HasPrefix(op, d.skip) }

func (d *carelessDisk) SyncDir(dir string) error {
	if d.skip == "sync folder "+dir {
		return nil
	}
	return d.powerDisk.SyncDir(dir)
}

func (d *carelessDisk) Rename(from, to string) error {
	if d.skips("rename " + to) {
		return nil
	}
	return d.powerDisk.Rename(from, to)
}

func (d *carelessDisk) Create(path string) (file, error) {
	f, err := d.powerDisk.Create(path)
	return d.careless(f, path), err
}

func (d *carelessDisk) OpenAppend(path string) (file, error) {
	f, err := d.powerDisk.OpenAppend(path)
	return d.careless(f, path), err
}

func (d *carelessDisk) careless(f file, path string) file {
	if f == nil {
		return nil
	}
	return &carelessFile{file: f, sync: !d.skips("sync " + path), truncate: !d.skips("truncate " + path)}
}

type carelessFile struct {
	file
	sync, truncate bool
}

func (f *carelessFile) Sync() error {
	if !f.sync {
		return nil
	}
	return f.file.Sync()
}

func (f *carelessFile) Truncate(size int64) error {
	if !f.truncate {
		return nil
	}
	return f.file.Truncate(size)
}
