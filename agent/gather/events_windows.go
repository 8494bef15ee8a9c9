package gather

import (
	"errors"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"

	"ssm-doctor/checks/facts"
)

var (
	wevtapi  = windows.NewLazySystemDLL("wevtapi.dll")
	evtQuery = wevtapi.NewProc("EvtQuery")
	evtNext  = wevtapi.NewProc("EvtNext")
	evtXML   = wevtapi.NewProc("EvtRender")
	evtClose = wevtapi.NewProc("EvtClose")
)

// Flags and errors of winevt.h and winerror.h.
const (
	evtChannelPath      = 0x1
	evtNewestFirst      = 0x200
	evtRenderXML        = 1
	evtWaits            = 300 // ms
	errEvtNoSuchChannel = windows.Errno(15007)
)

// eventsTake is how long reading a log may take: the service that keeps them may hang.
const eventsTake = time.Second

func listEvents(log, query string) facts.Seen[[]WindowsEvent] {
	from := "event log:" + log
	answer := make(chan facts.Seen[[]WindowsEvent], 1)
	go func() {
		events, err := readEvents(log, query)
		if errors.Is(err, errEvtNoSuchChannel) {
			answer <- facts.Absent[[]WindowsEvent]("no such log", from)
			return
		}
		answer <- Partly(events, err, from)
	}()
	select {
	case s := <-answer:
		return s
	case <-time.After(eventsTake):
		return facts.Unknown[[]WindowsEvent]("the event log did not answer in time", from)
	}
}

// readEvents reads the newest entries that a query selects.
func readEvents(log, query string) ([]WindowsEvent, error) {
	for _, p := range []*windows.LazyProc{evtQuery, evtNext, evtXML, evtClose} {
		if err := p.Find(); err != nil {
			return nil, err
		}
	}
	path, err := windows.UTF16PtrFromString(log)
	if err != nil {
		return nil, err
	}
	q, err := windows.UTF16PtrFromString(query)
	if err != nil {
		return nil, err
	}
	h, _, err := evtQuery.Call(0, uintptr(unsafe.Pointer(path)), uintptr(unsafe.Pointer(q)), evtChannelPath|evtNewestFirst)
	if h == 0 {
		return nil, err
	}
	defer evtClose.Call(h)
	out := []WindowsEvent{}
	buf := make([]uint16, maxEvent/2)
	for len(out) < maxEvents {
		var e windows.Handle
		var n uint32
		ok, _, err := evtNext.Call(h, 1, uintptr(unsafe.Pointer(&e)), evtWaits, 0, uintptr(unsafe.Pointer(&n)))
		switch {
		case ok != 0 && n == 1:
		case errors.Is(err, windows.ERROR_NO_MORE_ITEMS):
			return out, nil
		default:
			return out, err
		}
		var used, count uint32
		ok, _, _ = evtXML.Call(0, uintptr(e), evtRenderXML, uintptr(len(buf)*2), uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&used)), uintptr(unsafe.Pointer(&count)))
		if ok != 0 { // one that is too large says nothing here
			if event, ok := ParseEvent([]byte(windows.UTF16ToString(buf))); ok {
				out = append(out, event)
			}
		}
		_, _, _ = evtClose.Call(uintptr(e))
	}
	return out, nil
}
