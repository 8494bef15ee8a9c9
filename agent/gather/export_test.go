package gather

// LookupBy is for the fuzz target that plays a DNS server.
var LookupBy = lookupBy

// SetImage is setImage.
var SetImage = setImage

// FirstBundle is for tests.
var FirstBundle = firstBundle
