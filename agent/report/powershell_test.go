package report

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ssm-doctor/checks/causes"
)

// powerShellTexts are all commands for Windows that are printed, by what they are: those
// of remedies as they are and as they are broken into lines, with nothing and with much
// known of the host; look-ups; scripts; and examples of the documentation.
func powerShellTexts(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	broken := &screen{s: Style{Width: 72}, r: &Report{}}
	broken.r.Node.GOOS = "windows"
	for name, v := range map[string]causes.Values{
		"nothing known": {},
		"usual":         {"region": "eu-central-1", "proxy": "http://proxy.corp.example:3128", "noproxy": "localhost,169.254.169.254,fd00:ec2::254", "user": "ssm-user", "service": "ssm"},
		"spaces":        {"data": `D:\Program Data (2)\SSM`, "log": `D:\Program Data\SSM\Logs`, "config": `D:\Program Files\Amazon\SSM`, "agent": `D:\Program Files\Amazon\SSM\amazon-ssm-agent.exe`, "runtime": `D:\Program Data\SSM\runtimeconfig`, "path": `D:\Some Folder\file.txt`, "mount": `D:\`},
		"of facts":      {"data": "/ProgramData/Amazon/SSM", "path": "/D:/Some Folder/file", "agent": "/Program Files/Amazon/SSM/amazon-ssm-agent.exe"},
	} {
		v["goos"] = "windows"
		for _, c := range causes.All() {
			for _, s := range slices.Concat(append(c.Ways, c.Fix, c.Image)...) {
				if s.Where != causes.OnHost || !s.Applies(v) {
					continue
				}
				f := s.Fill(v)
				texts[c.ID+", "+name+": "+f.Command.String()] = f.Command.String()
				texts[c.ID+", "+name+", broken: "+f.Command.String()] = strings.Join(broken.command(Step{Command: f.Command, Where: f.Where}), "\n")
			}
		}
	}
	for key, command := range lookUps(func(command string) bool { return true }) {
		if strings.HasPrefix(key, "windows ") {
			texts["look-up of "+key] = command
		}
	}
	block := regexp.MustCompile("(?s)```powershell\n(.*?)\n```")
	err := filepath.WalkDir("../../packaging", func(file string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		switch filepath.Ext(file) {
		case ".ps1", ".psm1":
			b, err := os.ReadFile(file)
			texts[file] = string(b)
			return err
		case ".md":
			b, err := os.ReadFile(file)
			for _, m := range block.FindAllStringSubmatch(string(b), -1) {
				texts[file+": "+m[1]] = m[1]
			}
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

// parsePowerShell says what is wrong with each of the texts, by the grammar.
func parsePowerShell(t *testing.T, texts []string) []string {
	t.Helper()
	if os.Getenv("POWERSHELL_MODULES") == "" {
		t.Skip("POWERSHELL_MODULES is not set: no PowerShell was parsed (npm install tree-sitter-powershell web-tree-sitter)")
	}
	in, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "testdata/powershell.mjs")
	cmd.Stdin = bytes.NewReader(in)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	b, err := cmd.Output()
	var out []string
	if err != nil || json.Unmarshal(b, &out) != nil || len(out) != len(texts) {
		t.Fatalf("%v: %s%s", err, errs.String(), b)
	}
	return out
}

// Where the grammar does not follow PowerShell: paths behind a variable, and lists of bare words.
var (
	behindVariable = regexp.MustCompile(`( )(\$env:[A-Za-z]+\\[\w.]+)`)
	bareList       = regexp.MustCompile("((?:Format-List|Format-Table|Select-Object|Sort-Object)(?:[\\s`]+-\\w+[\\s`]+\\d+)?[\\s`]+)(\\w+(?:,\\w+)+)")
)

// forGrammar writes them in another way that means the same: in quotes.
func forGrammar(text string) string {
	text = behindVariable.ReplaceAllString(text, `$1"$2"`)
	return bareList.ReplaceAllStringFunc(text, func(s string) string {
		m := bareList.FindStringSubmatch(s)
		return m[1] + "'" + strings.ReplaceAll(m[2], ",", "','") + "'"
	})
}

func TestPowerShellParses(t *testing.T) {
	t.Parallel()
	texts := powerShellTexts(t)
	names := slices.Sorted(maps.Keys(texts))
	controls := []string{"if ($x { 1 }", "function { ", "$a = (1 + ", "foreach (x in 1) {}", `Get-Item "C:\x`, `"C:\Program Files\x.exe" -register`}
	list := slices.Clone(controls)
	for _, name := range names {
		list = append(list, forGrammar(texts[name]))
	}
	got := parsePowerShell(t, list)
	for i, wrong := range got {
		switch control := i < len(controls); {
		case control && wrong == "":
			t.Errorf("taken for PowerShell: %s", list[i])
		case !control && wrong != "":
			t.Errorf("%s: %s", names[i-len(controls)], wrong)
		}
	}
	t.Logf("%d texts", len(names))
}

// What Windows PowerShell 5.1 of Server 2016 without a desktop has not: words of later
// releases, programs that came later, and windows.
var notOf2016 = regexp.MustCompile(`&&|\|\||\?\?|\?\.|-Parallel\b|-AsHashtable|-SkipCertificateCheck|\b(curl|tar|ssh|winget)\.exe|\b(curl|wget) |Remove-Service|Get-Error\b|Join-String|Test-Connection .*-TargetName|Out-GridView|Show-|\.(msc|cpl)\b|\b(notepad|regedit|taskmgr|eventvwr)\b`)

func TestPowerShellOf2016(t *testing.T) {
	t.Parallel()
	for name, text := range powerShellTexts(t) {
		if word := notOf2016.FindString(text); word != "" {
			t.Errorf("%s has %s", name, word)
		}
		// Else it wants Internet Explorer, which is not there.
		if strings.Contains(text, "Invoke-WebRequest") && !strings.Contains(text, "-UseBasicParsing") && !strings.Contains(text, "-OutFile") {
			t.Errorf("%s parses what it gets", name)
		}
		// .NET of that time begins with TLS 1.0, which AWS refuses.
		if strings.Contains(text, "https://") && (strings.Contains(text, "Invoke-") || strings.Contains(text, "WebRequest")) && !strings.Contains(text, "'Tls12'") {
			t.Errorf("%s asks with TLS 1.0", name)
		}
	}
	for _, bad := range []string{"a && b", "$x ?? 1", "curl.exe -v", "services.msc", "ForEach-Object -Parallel { }"} {
		if !notOf2016.MatchString(bad) {
			t.Errorf("taken: %s", bad)
		}
	}
}
