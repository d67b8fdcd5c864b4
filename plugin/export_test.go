package plugin

// InTurn makes m replace extensions as it does where two generations of one cannot be there at the same time.
func InTurn(m *Manager) { m.overlap = false }
