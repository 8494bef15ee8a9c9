// Package logline tells what of a line of a log may be shown. Whoever writes into a log
// may write a secret into it, in any form; so not what looks like a secret is taken
// out, but what is recognised is kept: the words of the agent, of Go, of the system and
// of AWS, codes, actions, hosts, addresses, paths, small numbers.
package logline

import (
	_ "embed"
	"strings"
	"sync"
	"unicode/utf8"

	"ssm-doctor/checks/facts"
)

// wordsText are the words that the messages of the agent, of Go, of the system and of
// AWS are made of. Anything else may be a name.
//
//go:embed words.txt
var wordsText string

// Words is the vocabulary.
func Words() []string { return strings.Fields(wordsText) }

var vocabulary = sync.OnceValue(func() map[string]bool {
	words := map[string]bool{}
	for _, w := range Words() {
		words[w] = true
	}
	return words
})

// phraseWords are those of the fragments by which entries are recognised, and of the
// kernel, systemd and the loader where they tell of the agent's end.
var phraseWords = sync.OnceValue(func() map[string]bool {
	words := map[string]bool{}
	add := func(text string) {
		for w := range strings.FieldsFuncSeq(text, func(c rune) bool { return c >= utf8.RuneSelf || !isLetter(byte(c)) }) {
			for part := range humps(w) {
				words[part] = true
			}
			words[strings.ToLower(w)] = true
		}
		for w := range strings.FieldsSeq(text) { // with digits
			w, _ = trimSigns(w)
			words[strings.ToLower(w)] = true
		}
	}
	for _, s := range facts.Signatures {
		add(strings.Join(s.Fragments, " "))
	}
	for _, l := range facts.Lines() {
		add(strings.Join(l.Fragments, " "))
	}
	add(systemWords)
	return words
})

// systemWords are words of the parts of the system, and of paths.
const systemWords = `html doctype dangling assign record gone route6 mkdir ptmx pts ioctl inappropriate tty server side encryption configuration paging file small shell interpreter
systemd oomd coredump kernel traps segfault general protection ip sp error in traps audit apparmor DENIED ALLOWED operation
profile name pid comm requested denied mask fsuid ouid info type dec deny exe subj obj perm trust ftype rule fapolicyd auid uid gid ses
oom memcg cgroup kill killed killer process task rss anon file shmem total vm UID pgtables score adj invoked gfp order nodemask constraint global
amazon agen worke worker agent ssm snap service unit start request repeated too quickly limit job result dependency watchdog timeout timed out
killing terminating main exited code status dumped core signal step spawning exec executable locate determine user credentials mount namespacing set up load environment files
shared libraries cannot open object no such required by symbol lookup version found GLIBC libc libpthread libdl so loading while
usr bin sbin lib opt etc var log tmp proc sys dev root home local program data files system users appdata current libexec share aws
host containers control host ctr pull image fetch resolve reference containerd ecr bottlerocket admin
memory usage due pressure swap used available threshold elapsed reached remaining consumed cpu time
permission directory device space left entry exist exists text busy quota exceeded input output bad descriptor broken pipe reset peer refused unreachable route host network down address resource temporarily unavailable stale handle loop many levels links file name long argument list
context deadline exceeded net http request canceled while waiting headers awaiting client connection tls handshake unknown authority x509 certificate signed valid expired yet has is not for common authentication verify cert
lookup dial tcp udp read write socks connect proxyconnect proxy server misbehaving answer from no suitable
arch amd64 arm64 linux gnu debian ubuntu windows darwin bye calculated ec2metadata newec2identity newec2identitywithconfig onpremcredsprovider ec2launch ec2config ending idempotent launching
reducing requerying resuming scheduling allows allow see security policy policies included includes assigned associated beginning belonging bios hash bookkeeping character chown closure
connectex dependent independent detached difference discovered documentation docs fork function increasing interactors locations normal reduced per period picking pinger publisher reason
refreshed regenerating retrieve creds with selector subsystem take taking tasks their treat reducing mode metadata latest dynamic instance identity document credentials iam info meta
because based explicit service control resource boundary session endpoint trust organizations encoded authorization failure message perform authorized
contact support retry later again check ensure verify make sure must should may might could would if unless until since before after during between within without
seconds minutes hours milliseconds ms kb mb gb kib mib gib bytes pages
operation api https response requestid statuscode credentials provider smithy retry quota attempts maximum number
event taken for malware action signed rule denied own recovery after attempt account changed installed stopped running
yes no true false nil null none ok`

// IsWord reports whether all parts of a word are in the vocabulary.
func IsWord(word string) bool { return isWord(word, false) }

// maxWord bounds a word that may be shown.
const maxWord = 60

// isWord is IsWord; with phrases, the words of phrases count as well.
func isWord(word string, phrases bool) bool {
	if len(word) > maxWord {
		return false
	}
	words := vocabulary()
	has := func(low string) bool { return words[low] || phrases && phraseWords()[low] }
	var buf [maxWord]byte
	low := buf[:len(word)]
	plain := true
	for i := range len(word) {
		low[i] = lower(word[i])
		plain = plain && (isLetter(word[i]) || word[i] == '-' || word[i] == '\'')
	}
	if words[string(low)] || phrases && phraseWords()[string(low)] {
		return true
	}
	start := 0
	for i := 0; plain && i <= len(word); i++ {
		if i < len(word) && isLetter(word[i]) && !isHump(word, i) {
			continue
		}
		part := low[start:i]
		apostrophe := start > 0 && word[start-1] == '\'' && len(part) == 1 // the s of "agent's"
		if len(part) > 0 && !apostrophe && !has(string(part)) {
			return false
		}
		if start = i; i < len(word) && !isLetter(word[i]) {
			start++
		}
	}
	return plain && word != ""
}

// humps yields the parts of a word like createControlChannel, in lower case.
func humps(word string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		start := 0
		for i := 1; i <= len(word); i++ {
			if i == len(word) || isHump(word, i) {
				if !yield(strings.ToLower(word[start:i])) {
					return
				}
				start = i
			}
		}
	}
}

// isHump reports whether a new part of a word like createControlChannel or MGSInteractor
// begins at i.
func isHump(s string, i int) bool {
	if i == 0 || !isUpper(s[i]) {
		return false
	}
	return !isUpper(s[i-1]) || i+1 < len(s) && isLetter(s[i+1]) && !isUpper(s[i+1])
}

func isUpper(c byte) bool { return c >= 'A' && c <= 'Z' }

func isLetter(c byte) bool { return c < utf8.RuneSelf && (c|0x20 >= 'a' && c|0x20 <= 'z') }

func lower(c byte) byte {
	if isUpper(c) {
		return c + 'a' - 'A'
	}
	return c
}
