package api

// peerGone reports false: this system does not tell without reading.
func peerGone(uintptr) bool { return false }
