package grafana_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestFleetDashboard: the dashboard over Athena can be imported anywhere, explains itself,
// and asks for views that there are. What they answer is tested beside the views.
func TestFleetDashboard(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("ssm-doctor-fleet.json")
	if err != nil {
		t.Fatal(err)
	}
	type athena struct {
		Datasource source
		Format     int
		RawSQL     string
	}
	var d struct {
		ID          *int
		UID         string
		Description string
		Editable    bool
		Timezone    string
		Panels      []struct {
			panel
			Targets []athena `json:"targets"`
		}
		Templating struct{ List []variable }
	}
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	if d.ID != nil || d.UID != "ssm-doctor-fleet" || d.Description == "" || d.Editable || d.Timezone != "utc" || len(d.Panels) < 8 {
		t.Errorf("%v %q %q %v %q, %d panels", d.ID, d.UID, d.Description, d.Editable, d.Timezone, len(d.Panels))
	}
	sql, err := os.ReadFile(filepath.Join("..", "fleet", "inventory", "reports.sql"))
	if err != nil {
		t.Fatal(err)
	}
	var views []string
	for _, m := range regexp.MustCompile(`VIEW (ssm_doctor\.\w+)`).FindAllStringSubmatch(string(sql), -1) {
		views = append(views, m[1])
	}
	theirs := source{Type: "grafana-athena-datasource", UID: "${datasource}"}
	asked := map[string]bool{}
	for i, p := range d.Panels {
		if p.ID == 0 || p.Title == "" || !strings.HasSuffix(p.Description, ".") || p.Datasource != theirs || len(p.Targets) != 1 || p.FieldConfig.Defaults.Unit == "" {
			t.Errorf("panel %q: %+v", p.Title, p.panel)
			continue
		}
		q := p.Targets[0]
		if q.Datasource != theirs || (q.Format == 0) != (p.Type == "timeseries") || !strings.Contains(q.RawSQL, "account IN (${account:singlequote})") {
			t.Errorf("%q: %+v", p.Title, q)
		}
		for _, v := range regexp.MustCompile(`ssm_doctor\.\w+`).FindAllString(q.RawSQL, -1) {
			asked[v] = true
			if !slices.Contains(views, v) {
				t.Errorf("%q: no view %s", p.Title, v)
			}
		}
		for _, o := range d.Panels[:i] {
			if a, b := p.Grid, o.Grid; a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H || a.X+a.W > 24 {
				t.Errorf("%q lies on %q", p.Title, o.Title)
			}
		}
	}
	if len(asked) < 3 {
		t.Errorf("views that are asked: %v", asked)
	}
	for _, v := range d.Templating.List[1:] {
		if v.Datasource != theirs || !v.Multi || !v.IncludeAll || !strings.Contains(v.Definition, "SELECT DISTINCT "+v.Name) {
			t.Errorf("variable %+v", v)
		}
	}
}
