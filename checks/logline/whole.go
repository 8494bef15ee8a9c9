package logline

import (
	"strings"

	"ssm-doctor/checks/pattern"
)

// Issued are tokens that tell who gave them out: GitHub, GitLab, Slack, npm, Vault, Google,
// PyPI, Docker, Stripe, SendGrid, Shopify, DigitalOcean, age and others. IssuedStarts is a
// cheap test: each match has one of them.
var (
	Issued = pattern.New(`\b(?:gh[opsur]_|github_pat_|glpat-|xox[abeoprs]-|npm_|hv[sbr]\.|AIza|pypi-|dckr_[a-z]{2,4}_|[sr]k_(?:live|test)_|SG\.|ya29\.|shp(?:at|ca|pa|ss)_|dop_v1_|AGE-SECRET-KEY-)[A-Za-z0-9_.-]{10,}|` +
		`\bsk-[A-Za-z0-9_]{16,}`)
	IssuedStarts = []string{"ghp_", "gho_", "ghs_", "ghu_", "ghr_", "github_pat_", "glpat-", "xox", "npm_", "hvs.", "hvb.", "hvr.", "AIza", "pypi-", "dckr_", "k_live_", "k_test_", "sk-", "SG.", "ya29.", "shpat_", "shpca_", "shppa_", "shpss_", "dop_v1_", "AGE-SECRET"}
)

// isIssued reports whether text holds such a token.
func isIssued(s string) bool {
	for _, start := range IssuedStarts {
		if strings.Contains(s, start) {
			return Issued.MatchString(s)
		}
	}
	return false
}

// removed stands for what looks like a secret, as in package report.
const removed = "[removed]"

// Whole is a line that is shown as it stands, by the wish of who asks for it, but for
// what nothing but a secret looks like: a part that is not recognised, and that changes
// between upper case, lower case and digits as often as random text does.
func Whole(line string) string {
	if !mayHoldRandom(line) {
		return line
	}
	var b strings.Builder
	named := spansOf(line)
	end, at := 0, 0
	for chunk, space := range chunks(line) {
		from := at
		at += len(chunk) + space
		if !mayHoldRandom(chunk) || known(chunk, from, named, 0) {
			continue
		}
		for i := 0; i < len(chunk); {
			if !isAlphanumeric(chunk[i]) {
				i++
				continue
			}
			start := i
			for i < len(chunk) && isAlphanumeric(chunk[i]) {
				i++
			}
			if part := chunk[start:i]; isRandom(part) && !inSpan(named, from+start, from+i) {
				b.WriteString(line[end : from+start])
				b.WriteString(removed)
				end = from + i
			}
		}
	}
	return b.String() + line[end:]
}

// minRandom is the least length of what is taken for random; as many small letters in a row
// as minWord are a word.
const minRandom, minWord = 10, 5

func isAlphanumeric(c byte) bool { return isLetter(c) || c >= '0' && c <= '9' }

// isRandom reports whether letters and digits follow each other as if by chance.
func isRandom(s string) bool {
	if len(s) < minRandom || !isMixed(s) {
		return false
	}
	var upper, lower, digit bool
	letters := 0
	for i := range len(s) {
		switch c := s[i]; {
		case isUpper(c):
			upper, letters = true, 0
		case isLetter(c):
			lower = true
			if letters++; letters == minWord && len(s) < 2*minRandom {
				return false // EC2MetadataV2Client
			}
		default:
			digit, letters = true, 0
		}
	}
	return upper && lower && digit
}

// mayHoldRandom is a cheap test: as many letters and digits in a row, with a digit.
func mayHoldRandom(s string) bool {
	run, digits := 0, 0
	for i := range len(s) {
		if c := s[i]; !isAlphanumeric(c) {
			run, digits = 0, 0
			continue
		} else if c <= '9' {
			digits++
		}
		if run++; run >= minRandom && digits > 0 {
			return true
		}
	}
	return false
}

func inSpan(named []span, from, to int) bool {
	for _, n := range named {
		if from >= n.from && to <= n.to {
			return true
		}
	}
	return false
}
