// Package joblog answers one question: how is a job's output kept, so that it can be read from any place without a gap?
//
// The log is a sequence of records, one line each: the time in nanoseconds since 1970, a letter for the stream, and the text as
// it was written. A small letter is a whole line, a capital one a part of a line that has not ended. The records are in files
// that are named by the offset of their first byte in the whole sequence, and by how many lines came before it. An offset
// therefore names the same record for ever, also after older files were dropped because the log reached its bound, and what was
// dropped can be counted. There is one writer, the supervisor; readers share nothing with it but the files, read only what ends
// with a line end, and so never see a record that is half written.
//
//	1763930000123456789 o epoch 1: loss 0.31
//	1763930000123460000 e warning: out of patience
//	1763930001000000000 O Password:
package joblog
