package export

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
	"unicode/utf8"

	"ssm-doctor/agent/report"
	"ssm-doctor/agent/safefile"
)

// Limits of the agent's custom inventory plugin
// (agent/plugins/inventory/gatherers/custom/customGatherer.go).
const (
	inventoryType     = "Custom:SSMDoctor"
	inventoryValueMax = 4096 // bytes of an attribute
	inventoryFilesMax = 20   // one file more in the folder fails the whole inventory run
)

// InventoryFile is the name of the file in the custom inventory folder.
const InventoryFile = "ssm-doctor.json"

// Inventory is a report as a custom inventory item: one object of strings. It
// is redacted: inventory is read by more people than the host is.
func Inventory(r *report.Report) ([]byte, error) {
	r = report.Redact(r)
	c := map[string]string{
		"State": r.State, "Summary": r.Summary.String(), "CheckedAt": r.GeneratedAt.UTC().Format(time.RFC3339), "DoctorVersion": r.Version,
		"AgentVersion": r.AgentVersion, "CredentialSource": r.Credentials.Source, "Cause": "healthy", "CauseTitle": "", "Severity": "", "Fix": "",
	}
	if r.State != report.Managed {
		c["Cause"] = "undetermined"
	}
	if k := r.RootCause; k != nil {
		c["Cause"], c["CauseTitle"], c["Severity"] = k.ID, k.Title, k.Severity
		if len(k.Fix) > 0 {
			c["Fix"] = k.Fix[0].Text.String()
		}
	}
	for _, s := range report.Statuses {
		n := 0
		for _, k := range r.Checks {
			if k.Status == s {
				n++
			}
		}
		c["Checks_"+s] = strconv.Itoa(n)
	}
	for k, v := range c {
		c[k] = clip(report.Printable(v), inventoryValueMax)
	}
	return json.Marshal(map[string]any{"SchemaVersion": "1.0", "TypeName": inventoryType, "Content": c})
}

// clip cuts a text to at most n bytes, between runes.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	s = s[:n]
	for len(s) > 0 {
		if r, size := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || size > 1 {
			break
		}
		s = s[:len(s)-1]
	}
	return s
}

// ErrInventoryFull is returned when the folder holds so many files that one
// more would fail the agent's inventory run.
var ErrInventoryFull = errors.New("the custom inventory folder is full")

// WriteInventory writes the item into the agent's custom inventory folder. The
// folder is the agent's: when it is not there, nothing is made.
func WriteInventory(dir string, r *report.Report) error {
	b, err := Inventory(r)
	if err != nil {
		return fmt.Errorf("encode inventory: %w", err)
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read inventory folder: %w", err)
	}
	others := 0
	for _, e := range list {
		if filepath.Ext(e.Name()) == ".json" && e.Name() != InventoryFile {
			others++
		}
	}
	if others >= inventoryFilesMax {
		_ = RemoveInventory(dir) // or it would be ours that is too much
		return fmt.Errorf("write inventory to %s: %w", dir, ErrInventoryFull)
	}
	if err := safefile.Replace(filepath.Join(dir, InventoryFile), 0o600, b); err != nil {
		return fmt.Errorf("write inventory: %w", err)
	}
	return nil
}

// RemoveInventory removes the item; that there is none is no error.
func RemoveInventory(dir string) error {
	if err := safefile.Remove(filepath.Join(dir, InventoryFile)); err != nil {
		return fmt.Errorf("remove inventory: %w", err)
	}
	return nil
}
