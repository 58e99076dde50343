package api

// Content is something that a job finds when it starts: a folder with all that is in it, or a single file. Its bytes must be
// in the agent's store before the job is submitted.
type Content struct {
	// Digest is that of the list of all that is in it, which is in the store too.
	Digest string `json:"digest"`
	// Path is where it goes: from the job's own folder, or anywhere with a leading slash. "" is the job's own folder.
	Path string `json:"path,omitempty"`
	// File says that it is a single file: Path is its name then.
	File bool `json:"file,omitempty"`
}

// Blob is a number of bytes under their digest: "sha256:" and 64 hexadecimal digits.
type Blob struct {
	Digest string `json:"digest"`
	Size   int64  `json:"size"`
}

// BlobQuery asks which of some blobs are missing.
type BlobQuery struct {
	Blobs []Blob `json:"blobs"`
}

// BlobPart is a blob of which the bytes before Offset are there. In a stream of blobs it stands before the bytes from
// Offset on, as one line of JSON.
type BlobPart struct {
	Blob
	Offset int64 `json:"offset,omitempty"`
}

// BlobAnswer lists the blobs that are missing, in the order of the question.
type BlobAnswer struct {
	Missing []BlobPart `json:"missing"`
}
