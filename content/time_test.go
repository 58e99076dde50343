package content_test

import "time"

func timeOf(s int64) time.Time { return time.Unix(s, 0) }
