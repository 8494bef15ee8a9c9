package daemon

import (
	"cmp"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"ssm-doctor/agent/config"
	"ssm-doctor/agent/export"
	"ssm-doctor/agent/gather/awsapi"
	"ssm-doctor/agent/report"
	"ssm-doctor/checks/facts"
)

// shownHistory is how many transitions a report carries.
const shownHistory = 50

// publish makes a report of a time, nil before the first one, the one that
// readers see; ended is when the last run ended.
func (d *Daemon) publish(r *report.Report, at, ended time.Time, success bool) {
	p := &published{snapshot: &export.Snapshot{At: ended, Success: success}}
	if r != nil {
		d.history.Add(at, r.State, causeOf(r))
		list := d.history.List()
		r.History = list[max(0, len(list)-shownHistory):]
		if n := len(list); n > 0 {
			d.stats.Since = list[n-1].At
		}
		p.snapshot.Report, p.shown = r, sync.OnceValue(func() *report.Report { return report.Redact(r) })
	}
	d.now.Store(p)
	d.republish()
}

// republish shows the same report with the counters of now.
func (d *Daemon) republish() {
	old, cfg := d.now.Load(), d.cfg.Load()
	s := d.stats
	s.Interval = cfg.Network
	s.Operations = awsapi.Operations(cfg.Probes)
	s.Runs, s.Requests, s.Failures = maps.Clone(s.Runs), maps.Clone(s.Requests), maps.Clone(s.Failures)
	if cfg.StateDir != "" {
		err := d.history.Err()
		if err == nil {
			err = d.ledger.err
		}
		ok, why := err == nil, ""
		if err != nil {
			why = err.Error()
		}
		s.HistoryOK = &ok
		d.once("state", "the state directory cannot be used; the history is kept in memory and lost when the daemon stops", why)
	}
	snapshot := *old.snapshot
	snapshot.Stats = &s
	_, _, next := d.schedule.due(time.Now())
	d.now.Store(&published{snapshot: &snapshot, shown: old.shown, next: next})
}

// writeFiles writes what else is wanted of a report. Trouble is logged once.
func (d *Daemon) writeFiles(r *report.Report) {
	cfg := d.cfg.Load()
	if cfg.Textfile != "" {
		err := export.WriteTextfile(cfg.Textfile, d.Snapshot(), metricOptions(cfg))
		d.once("textfile", "the textfile was not written; node_exporter reads the one before, if there is one", errorText(err))
	}
	usual, dir := "", ""
	if r.Node.ID != "" {
		usual = inventoryDir(r.Node.GOOS, r.Node.ID)
	}
	item := cmp.Or(cfg.InventoryDir, usual)
	if cfg.Inventory {
		dir = item
	} else if !d.tidied && item != "" { // of a start with it
		d.tidied = true
		d.once("inventory", "the inventory item was not removed; the agent goes on sending it", errorText(export.RemoveInventory(item)))
	}
	if d.inDir != "" && d.inDir != dir {
		d.once("inventory", "the inventory item was not removed; the agent goes on sending it", errorText(export.RemoveInventory(d.inDir)))
		d.inDir = ""
	}
	if dir != "" {
		err := export.WriteInventory(dir, r)
		d.once("inventory", "the inventory item was not written; the agent sends the one before, if there is one", errorText(err))
		if err == nil {
			d.inDir = dir
		}
	}
}

// inventoryDir is the agent's folder for custom inventory.
// Source: amazon-ssm-agent, agent/plugins/inventory/gatherers/custom/customGatherer.go.
func inventoryDir(goos, node string) string {
	if node != filepath.Base(node) {
		return ""
	}
	data := facts.LayoutOf(goos).Data
	if goos == "windows" {
		data = "C:" + data
	}
	return filepath.Join(filepath.FromSlash(data), node, "inventory", "custom")
}

// RemoveInventory removes the custom inventory item from the agent's folder of
// every node id that this host had; for when the daemon is uninstalled.
func RemoveInventory(goos string) error {
	dirs, err := filepath.Glob(inventoryDir(goos, "*"))
	for _, dir := range dirs {
		if e := export.RemoveInventory(dir); err == nil {
			err = e
		}
	}
	return err
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func metricOptions(c *config.Config) export.Options {
	return export.Options{Lean: c.MetricsLean, All: c.MetricsAll, Disable: c.MetricsDisable, Features: c.MetricsFeatures}
}

// untilRestart keeps in a new configuration what only a restart changes, and
// reports whether that was to change. Who may read the reports is judged by the
// addresses that are in force.
func untilRestart(old, now *config.Config) bool {
	wanted := *now
	now.ListenAddresses, now.SystemdSocket, now.WebConfigFile = old.ListenAddresses, old.SystemdSocket, old.WebConfigFile
	now.StateDir, now.LogFormat = old.StateDir, old.LogFormat
	return !slices.Equal(now.ListenAddresses, wanted.ListenAddresses) || now.SystemdSocket != wanted.SystemdSocket ||
		now.WebConfigFile != wanted.WebConfigFile || now.StateDir != wanted.StateDir || now.LogFormat != wanted.LogFormat
}
