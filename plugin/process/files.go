package process

// Files says how many files a process has open, sockets and pipes among them. Zeros mean that the system does not tell.
type Files struct {
	Open  uint64
	Limit uint64 // of the process itself: what it opens beyond fails
}

// Near reports whether the limit is near: four fifths of it are used.
func (f Files) Near() bool { return f.Limit > 0 && f.Open >= f.Limit-f.Limit/5 }
