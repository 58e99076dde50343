// Package joblog answers one question: how is a job's output kept, so that it can be read from any place without a gap?
//
// The log is a sequence of records, one JSON object a line, in files that are named by the offset of their first byte in the
// whole sequence. An offset therefore names the same record for ever, also after older files were dropped because the log
// reached its bound. There is one writer, the supervisor; readers share nothing with it but the files, read only what ends
// with a line end, and so never see a record that is half written.
package joblog
