package causes

import "strings"

// words are one simple command of a script, without quotes, and the file that it writes.
type words struct {
	list []string
	to   string // file that standard output goes to, with >> before it where it is added to
}

// simple splits a command as it is printed into simple commands. It reads what the
// steps of remedies use of a POSIX shell and of PowerShell, and no more: words, quotes,
// ; | & and line ends, redirections, $(…). Keywords are words, as is a $(…) whole.
func simple(script string) []words {
	var out []words
	var now words
	word, in, redirect := strings.Builder{}, false, ""
	end := func() {
		if !in {
			return
		}
		switch w := word.String(); {
		case redirect == ">" || redirect == ">>":
			if now.to == "" && w != "/dev/null" && !strings.HasPrefix(w, "&") {
				now.to = strings.TrimPrefix(redirect, ">") + w
			}
		case redirect == "":
			now.list = append(now.list, w)
		}
		word.Reset()
		in, redirect = false, ""
	}
	close := func() {
		end()
		if len(now.list) > 0 || now.to != "" {
			out = append(out, now)
		}
		now = words{}
	}
	for i := 0; i < len(script); i++ {
		c := script[i]
		switch {
		case c == '\'' || c == '"':
			in = true
			n := quotedLength(script[i:])
			word.WriteString(strings.TrimSuffix(script[i+1:i+n], string(c)))
			i += n - 1
		case c == '$' && strings.HasPrefix(script[i:], "$("):
			in = true
			n := bracketed(script[i+1:])
			word.WriteString(script[i : i+1+n])
			i += n
		case c == '\\' && i+1 < len(script) && strings.ContainsRune(" '\"\\\n;", rune(script[i+1])):
			if i++; script[i] != '\n' {
				in = true
				word.WriteByte(script[i])
			}
		case c == '>' || c == '<':
			if w := word.String(); w == "2" || w == "1" {
				word.Reset()
				in = false
			} else {
				end()
			}
			redirect = string(c)
			if strings.HasPrefix(script[i:], ">>") {
				redirect, i = ">>", i+1
			}
			if i > 0 && script[i-1] == '2' || strings.HasPrefix(script[i:], ">&") {
				redirect = "2>"
			}
		case c == '&' && redirect != "": // 2>&1
			in = true
			word.WriteByte(c)
		case c == ' ' || c == '\t':
			end()
		case strings.IndexByte(";|&\n", c) >= 0:
			close()
		default:
			in = true
			word.WriteByte(c)
		}
	}
	close()
	return out
}

// quotedLength is how long a quoted part is, which s begins with, marks included.
func quotedLength(s string) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && s[0] == '"':
			i++
		case s[0] == '"' && strings.HasPrefix(s[i:], "$("):
			i += bracketed(s[i+1:])
		case s[i] == s[0]:
			return i + 1
		}
	}
	return len(s)
}

// bracketed is how long a part in brackets is, which s begins with, brackets included.
func bracketed(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\'', '"':
			i += quotedLength(s[i:]) - 1
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}
