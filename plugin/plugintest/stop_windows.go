package plugintest

// stopSelf hangs: Windows has no signal that stops a process.
func stopSelf() { forever() }
