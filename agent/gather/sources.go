package gather

// FileSources are the sources that read the host itself. They are independent
// of each other and may run at the same time.
func FileSources() []Source {
	return []Source{hostSource{}, agentSource{}, registrationSource{}, credentialsSource{}, logSource{}, usesSource{}, ecsSource{}}
}
