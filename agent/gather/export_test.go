package gather

// LookupBy is for the fuzz target that plays a DNS server.
var LookupBy = lookupBy

// SetImage is setImage.
var SetImage = setImage

// FirstBundle is for tests.
var FirstBundle = firstBundle

// What tests need of a bundle.
var (
	NewBundle = newBundle
	SubjectOf = subjectOf
)
