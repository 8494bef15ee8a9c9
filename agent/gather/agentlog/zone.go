package agentlog

import (
	"io"
	"time"

	"ssm-doctor/agent/gather"
)

// Bounds of what tells the zone of a log.
const (
	zoneTail = 16 << 10
	zoneStep = 15 * time.Minute
	zoneSlip = 3 * time.Second // between the time of an entry and that of its writing
)

// logZone is the zone in which a log is written. The agent keeps the zone it was
// started with, from TZ of its service or from the host, and its entries name
// none; the time of the last entry and that of the file tell.
func logZone(fsys gather.FileSystem, name string, zone *time.Location) *time.Location {
	f, err := fsys.Open(name)
	if err != nil {
		return zone
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil || fi.IsDir() {
		return zone
	}
	if off := fi.Size() - zoneTail; off > 0 {
		s, ok := f.(io.Seeker)
		if !ok {
			return zone
		}
		if _, err := s.Seek(off, io.SeekStart); err != nil {
			return zone
		}
	}
	b, err := io.ReadAll(io.LimitReader(f, zoneTail))
	if err != nil {
		return zone
	}
	var last time.Time
	gather.Lines(b, func(l []byte) bool {
		if t, _, ok := ParseStamp(l, zone); ok {
			last = t
		}
		return true
	})
	if last.IsZero() {
		return zone
	}
	_, offset := last.Zone()
	return zoneBy(zone, offset, fi.ModTime().Sub(last))
}

// zoneBy is the zone of entries that lie so long before their writing, read as
// if they were in a zone of this offset.
func zoneBy(zone *time.Location, offset int, behind time.Duration) *time.Location {
	shift := behind.Round(zoneStep)
	offset -= int(shift / time.Second)
	if shift == 0 || (behind-shift).Abs() > zoneSlip || offset < -12*3600 || offset > 14*3600 {
		return zone
	}
	return time.FixedZone("", offset)
}
