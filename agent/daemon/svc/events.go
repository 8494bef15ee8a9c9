package svc

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"

	"github.com/kardianos/service"
)

// eventID is that of every event: EventCreate.exe, which holds the texts of the
// source, knows 1 to 1000, and each of them means "the text that follows".
const eventID = 1

// maxEvent is the longest text of an event; the event log takes 31 839 characters.
const maxEvent = 16 << 10

// events is the event log of Windows, or a test's.
type events interface {
	Info(id uint32, text string) error
	Warning(id uint32, text string) error
	Error(id uint32, text string) error
}

// Logger makes the daemon's log. Where it runs as a service of Windows, which has no
// standard error, each record becomes an event of the Application log under the
// service's name; everywhere else records go to w. build formats records to a writer.
func Logger(w io.Writer, build func(io.Writer) *slog.Logger) *slog.Logger {
	if service.Interactive() {
		return build(w)
	}
	to, err := openEvents()
	if err != nil {
		return build(w)
	}
	return eventLogger(to, build)
}

// Report leaves the reason why the service did not start, or ended, where whoever looks
// for it finds it. It does nothing where standard error is kept.
func Report(err error) {
	if err == nil || service.Interactive() {
		return
	}
	if to, failed := openEvents(); failed == nil {
		_ = to.Error(eventID, bound(err.Error()))
	}
}

func eventLogger(to events, build func(io.Writer) *slog.Logger) *slog.Logger {
	text := &eventText{to: to}
	return slog.New(eventHandler{build(&text.buffer).Handler(), text})
}

// eventText is the one record that is being written.
type eventText struct {
	sync.Mutex
	buffer bytes.Buffer
	to     events
}

// eventHandler lets Handler format a record and sends it under the record's level.
type eventHandler struct {
	slog.Handler
	text *eventText
}

func (h eventHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return eventHandler{h.Handler.WithAttrs(attrs), h.text}
}

func (h eventHandler) WithGroup(name string) slog.Handler {
	return eventHandler{h.Handler.WithGroup(name), h.text}
}

func (h eventHandler) Handle(ctx context.Context, r slog.Record) error {
	h.text.Lock()
	defer h.text.Unlock()
	h.text.buffer.Reset()
	if err := h.Handler.Handle(ctx, r); err != nil {
		return err
	}
	send := h.text.to.Info
	switch {
	case r.Level >= slog.LevelError:
		send = h.text.to.Error
	case r.Level >= slog.LevelWarn:
		send = h.text.to.Warning
	}
	return send(eventID, bound(h.text.buffer.String()))
}

// bound cuts a text to what an event takes. A NUL would end it, and make the call fail.
func bound(s string) string {
	s = strings.ReplaceAll(strings.TrimSpace(s), "\x00", " ")
	if len(s) > maxEvent {
		s = strings.ToValidUTF8(s[:maxEvent], "") + "…"
	}
	return s
}
