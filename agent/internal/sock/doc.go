// Package sock answers one question: how is a Unix socket reached whose path is longer than the kernel allows?
//
// The address of a Unix socket has room for about a hundred bytes, and the folder of an instance may be deeper than that. A
// path that fits is used as it is. For a longer one Linux is given the socket through /proc/self/fd, so that the address
// holds a descriptor's number instead of the folder. Elsewhere the socket lies in a private folder with a short name, and a
// file beside the wanted place says where.
package sock
