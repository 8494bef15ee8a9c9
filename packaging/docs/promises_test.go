package docs

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// shownBy are the tests that show a promise of SECURITY.md, by the words it begins with.
var shownBy = []struct {
	promise string
	tests   []string
}{
	{"It only reads, unless root types", []string{"TestNothingIsWritten", "TestProbesAreUnsigned", "TestProgramIsOnTheList", "TestMacProgramsAreOnTheList", "TestOnlyReads", "TestRootFSLinks"}},
	{"`fix --apply` does these things", []string{"TestFix", "TestFixNotByEnvironment", "TestFixInterrupted", "TestGoldenCatalogue", "TestRefuses", "TestUndo", "TestRewrite", "TestImportsGoOnlyDown"}},
	{"It signs only with the identity", []string{"TestOnlyThisPackageSigns", "TestSigning", "TestForeignIdentity"}},
	{"No credential leaves", []string{"TestSecretsNeedTheRightPeer", "TestLoginNeedsATrustedProxy", "TestTokenStaysWithTheMetadataService", "TestMetadataProxyHasToProveItsName", "TestRunOwnsItsSecrets"}},
	{"A process is the agent", []string{"TestOtherAgents", "TestReplaceableProgram", "TestProxySources"}},
	{"A program is run, and installed", []string{"TestRunProgram", "TestProgram", "TestProgramOnWindows", "TestCheckExecutable", "TestProgramsGetNoAmbientCapabilities", "TestOutsideIsTheAdministrators"}},
	{"Files are made, checked and renamed", []string{"TestPlaces", "TestModes", "TestSecondName", "TestSwappedWhileWritten", "TestStreams", "TestDescriptors", "TestFoldersToWrite", "TestFollow", "TestRootFSRefusesFIFO", "TestRootFSRefusesDevice"}},
	{"Secrets are not shown", []string{"TestNoSecretComesOut", "TestNoSecretOfCommands", "TestNoSecretOfFacts", "TestNoSecretOfOutside", "TestNoSecretOfPolicies", "TestNoSecretOfConfiguration", "TestNoSecretOfWebConfiguration", "TestStripSecrets", "TestWhole", "TestShownURL"}},
	{"Names are not shown", []string{"TestRedact", "TestRedactFacts", "TestPseudonymsAreKeyed", "TestPseudonymKey"}},
	{"Everything foreign is bounded", []string{"TestPeakMemory", "TestPeakMemoryOfPolicies", "TestSiege", "TestHostilePeers", "TestHostileResolvers", "TestReadFileBounds", "TestReadIsBounded", "TestManyEntries", "TestHostileLeaves", "TestHTMLHostileText"}},
	{"A page runs the one script", []string{"TestContentPolicy", "TestHTMLServed", "TestHTMLHostileText"}},
	{"`outside`, `summary` and `compare`", []string{"TestOnlyReads", "TestScript", "TestHostileFile", "TestForeignRemedy", "TestWrapped"}},
	{"Nothing is said that was not seen", []string{"TestNothingKnown", "TestIgnorance", "TestUnreadable", "TestUnreadLogPassesNothing"}},
}

// TestPromises: what SECURITY.md promises is shown by tests, and each that it names is one.
func TestPromises(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	page := strings.Join(strings.Fields(string(b)), " ")
	out, err := exec.Command("git", "-C", "../..", "grep", "-hoE", `^func Test[A-Za-z0-9_]*`, "--", "*_test.go").Output()
	if err != nil {
		t.Skip("no repository to look for tests in: ", err)
	}
	tests := map[string]bool{}
	for l := range strings.Lines(string(out)) {
		tests[strings.TrimPrefix(strings.TrimSpace(l), "func ")] = true
	}
	for _, m := range regexp.MustCompile(`(?m)^- \*\*(.{10,}?)[.*,]`).FindAllStringSubmatch(string(b), -1) {
		named := false
		for _, s := range shownBy {
			named = named || strings.HasPrefix(m[1], s.promise) || strings.HasPrefix(s.promise, m[1])
		}
		if !named {
			t.Errorf("no test is named for %q", m[1])
		}
	}
	for _, s := range shownBy {
		if !strings.Contains(page, "**"+s.promise) {
			t.Errorf("%q is not promised", s.promise)
		}
		for _, name := range s.tests {
			if !tests[name] {
				t.Errorf("%q: there is no %s", s.promise, name)
			}
		}
	}
	for _, name := range regexp.MustCompile("`(Test[A-Za-z]+)`").FindAllStringSubmatch(string(b), -1) {
		if !tests[name[1]] {
			t.Errorf("there is no %s", name[1])
		}
	}
}
