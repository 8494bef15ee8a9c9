package sim

// What the tests use to make hosts of their own.
var (
	HealthyProfile, HealthyDHMC, HealthyHybrid = healthyProfile, healthyDHMC, healthyHybrid
	Refused, At, Began, NoIdentity             = refused, at, began, noIdentity
)

// Texts of the agent around an error.
const (
	ProfileFailed, DHMCOff, NoneValid, Skipped, RequestID = profileFailed, dhmcOff, noneValid, skipped, requestID
)

// Whole is the host of a demo without its fault.
func (d Demo) Whole() Scenario { return d.whole() }

// Spoil puts the fault of a demo into a host; false: it has none.
func (d Demo) Spoil(s *Scenario) bool {
	if d.fault == nil {
		return false
	}
	d.fault(s)
	return true
}
