package gathertest

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"
)

// Event is an entry of a log of Windows as Windows renders it; values are NAME=TEXT.
func Event(provider string, id int, at time.Time, values ...string) string {
	data := ""
	for _, v := range values {
		name, text, _ := strings.Cut(v, "=")
		text = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
		if name == "Binary" {
			data += "<Binary>" + text + "</Binary>"
			continue
		}
		data += "<Data Name='" + name + "'>" + text + "</Data>"
	}
	data = "<EventData>" + data + "</EventData>"
	if strings.HasSuffix(provider, "AppLocker") {
		data = "<UserData><RuleAndFileData xmlns='http://schemas.microsoft.com/schemas/event/Microsoft.Windows/1.0.0.0'>"
		for _, v := range values {
			name, text, _ := strings.Cut(v, "=")
			data += "<" + name + ">" + text + "</" + name + ">"
		}
		data += "</RuleAndFileData></UserData>"
	}
	return fmt.Sprintf("<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='%s' Guid='{555908d1-a6d7-4695-8e1e-26931d2012f4}' EventSourceName='%s'/><EventID Qualifiers='49152'>%d</EventID><Version>0</Version><Level>2</Level><Task>0</Task><Opcode>0</Opcode><Keywords>0x8080000000000000</Keywords><TimeCreated SystemTime='%s'/><EventRecordID>4711</EventRecordID><Correlation/><Execution ProcessID='700' ThreadID='5140'/><Channel>System</Channel><Computer>EC2AMAZ-1.corp.example</Computer><Security UserID='S-1-5-18'/></System>%s</Event>",
		provider, provider, id, at.UTC().Format("2006-01-02T15:04:05.0000000Z"), data)
}

// ServiceState are the bytes that the service manager adds to an entry about a state.
func ServiceState(service string, state int) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(fmt.Sprintf("%s/%d\x00", service, state))) {
		b = append(b, byte(u), byte(u>>8))
	}
	return strings.ToUpper(hex.EncodeToString(b))
}
