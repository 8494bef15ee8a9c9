package daemon

import (
	"bytes"
	"cmp"
	"compress/flate"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"ssm-doctor/agent/export"
)

// scrapes answers what Prometheus asks: all metrics as compressed text. Those of a report
// are the same until there is another, and are encoded and compressed once. Those of this
// process follow, whose reading costs most: who asks again within ownLasts is answered the
// same. Whatever else is asked, other answers.
type scrapes struct {
	snapshot    func() *export.Snapshot
	report, own prometheus.Gatherer // own may be nil
	other       http.Handler
	kept        atomic.Pointer[compressed]
	last        atomic.Pointer[answered]
	deflaters   sync.Pool
}

// ownLasts is how old the metrics of this process may be.
const ownLasts = time.Second

// answered is a whole answer.
type answered struct {
	of     *export.Snapshot
	format expfmt.Format
	at     time.Time
	page   []byte
}

// compressed are the metrics of a report: blocks of deflate that end at a byte, and what
// the trailer of gzip needs of them.
type compressed struct {
	of     *export.Snapshot
	format expfmt.Format
	blocks []byte
	sum    uint32
	size   int
}

func (s *scrapes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	format := expfmt.NegotiateAccept(r.Header, expfmt.DefaultOpenMetricsAcceptedFormats()...)
	if r.Method != http.MethodGet || r.URL.RawQuery != "" || !takesGzip(r.Header) || format.FormatType() == expfmt.TypeProtoDelim {
		s.other.ServeHTTP(w, r)
		return
	}
	page, err := s.page(format)
	if err != nil {
		s.other.ServeHTTP(w, r) // which says so in its own way
		return
	}
	h := w.Header()
	h.Add("Vary", "Accept")
	h.Add("Vary", "Accept-Encoding")
	h.Set("Content-Type", string(format))
	h.Set("Content-Encoding", "gzip")
	_, _ = w.Write(page)
}

// takesGzip reports whether a client takes gzip.
func takesGzip(h http.Header) bool {
	for part := range strings.SplitSeq(h.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			return strings.Trim(q, " ") == ""
		}
	}
	return false
}

// page is the whole answer.
func (s *scrapes) page(format expfmt.Format) ([]byte, error) {
	snapshot, now := s.snapshot(), time.Now()
	if a := s.last.Load(); a != nil && a.of == snapshot && a.format == format && now.Sub(a.at) < ownLasts {
		return a.page, nil
	}
	kept := s.kept.Load()
	if kept == nil || kept.of != snapshot || kept.format != format {
		var text, blocks bytes.Buffer
		if err := encode(&text, s.report, format, false); err != nil {
			return nil, err
		}
		d := s.deflater(&blocks)
		_, err := d.Write(text.Bytes())
		if err = cmp.Or(err, d.Flush()); err != nil {
			return nil, err
		}
		s.deflaters.Put(d)
		kept = &compressed{snapshot, format, blocks.Bytes(), crc32.ChecksumIEEE(text.Bytes()), text.Len()}
		s.kept.Store(kept)
	}
	var text bytes.Buffer
	if err := encode(&text, s.own, format, true); err != nil {
		return nil, err
	}
	out := bytes.NewBuffer(make([]byte, 0, len(kept.blocks)+text.Len()/2+64))
	out.Write([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}) // RFC 1952: deflate, no flags, no time, no system
	out.Write(kept.blocks)
	d := s.deflater(out) // with nothing before it: what is repeated from there is few
	_, err := d.Write(text.Bytes())
	if err = cmp.Or(err, d.Close()); err != nil {
		return nil, err
	}
	s.deflaters.Put(d)
	trailer := binary.LittleEndian.AppendUint32(nil, crc32.Update(kept.sum, crc32.IEEETable, text.Bytes()))
	out.Write(binary.LittleEndian.AppendUint32(trailer, uint32(kept.size+text.Len())))
	s.last.Store(&answered{snapshot, format, now, out.Bytes()})
	return out.Bytes(), nil
}

func (s *scrapes) deflater(to *bytes.Buffer) *flate.Writer {
	if d, ok := s.deflaters.Get().(*flate.Writer); ok {
		d.Reset(to)
		return d
	}
	d, err := flate.NewWriter(to, flate.DefaultCompression)
	if err != nil {
		panic(err) // the level is right
	}
	return d
}

// joined gathers from several that have no family in common.
type joined []prometheus.Gatherer

// Gather implements prometheus.Gatherer.
func (j joined) Gather() (families []*dto.MetricFamily, err error) {
	for _, g := range j {
		more, failed := g.Gather()
		families, err = append(families, more...), errors.Join(err, failed)
	}
	return families, err
}

// encode writes what is gathered, and with last the end of the exposition.
func encode(w *bytes.Buffer, from prometheus.Gatherer, format expfmt.Format, last bool) error {
	enc := expfmt.NewEncoder(w, format)
	if from != nil {
		families, err := from.Gather()
		for _, f := range families {
			err = errors.Join(err, enc.Encode(f))
		}
		if err != nil {
			return err
		}
	}
	if c, ok := enc.(expfmt.Closer); ok && last {
		return c.Close()
	}
	return nil
}
