// Package grafana_test holds the dashboard to the rules of the Prometheus mixin
// project's dashboard linter, and to what ssm-doctor exports.
package grafana_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

const file = "ssm-doctor.json"

type source struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type target struct {
	Datasource source `json:"datasource"`
	Expr       string `json:"expr"`
	Legend     string `json:"legendFormat"`
	RefID      string `json:"refId"`
	Format     string `json:"format"`
}

type grid struct{ X, Y, W, H int }

type panel struct {
	ID          int      `json:"id"`
	Type        string   `json:"type"`
	Title       string   `json:"title"`
	Description string   `json:"description"`
	Datasource  source   `json:"datasource"`
	Grid        grid     `json:"gridPos"`
	Targets     []target `json:"targets"`
	Panels      []panel  `json:"panels"`
	FieldConfig struct {
		Defaults struct {
			Unit string `json:"unit"`
		} `json:"defaults"`
	} `json:"fieldConfig"`
	Options struct {
		Legend *struct {
			Show bool `json:"showLegend"`
		} `json:"legend"`
	} `json:"options"`
}

type variable struct {
	Name       string          `json:"name"`
	Label      string          `json:"label"`
	Type       string          `json:"type"`
	Query      json.RawMessage `json:"query"`
	Definition string          `json:"definition"`
	Datasource source          `json:"datasource"`
	Refresh    int             `json:"refresh"`
	Multi      bool            `json:"multi"`
	IncludeAll bool            `json:"includeAll"`
	AllValue   string          `json:"allValue"`
}

type dashboard struct {
	ID          *int     `json:"id"`
	UID         string   `json:"uid"`
	Title       string   `json:"title"`
	Description string   `json:"description"`
	Tags        []string `json:"tags"`
	Editable    bool     `json:"editable"`
	Timezone    string   `json:"timezone"`
	Panels      []panel  `json:"panels"`
	Templating  struct {
		List []variable `json:"list"`
	} `json:"templating"`
}

func read(t *testing.T) dashboard {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// graphs is every panel that shows something, those of collapsed rows included.
func (d dashboard) graphs() []panel {
	var out []panel
	for _, p := range d.Panels {
		if p.Type != "row" {
			out = append(out, p)
		}
		out = append(out, p.Panels...)
	}
	return out
}

var templated = source{Type: "prometheus", UID: "${datasource}"}

func TestDashboardCanBeImportedAnywhere(t *testing.T) {
	t.Parallel()
	d := read(t)
	if d.ID != nil || d.UID != "ssm-doctor" || d.Title == "" || d.Description == "" || len(d.Tags) == 0 {
		t.Errorf("id %v, uid %q, title %q, description %q, tags %q", d.ID, d.UID, d.Title, d.Description, d.Tags)
	}
	if d.Editable {
		t.Error("editable")
	}
	if d.Timezone != "utc" {
		t.Errorf("timezone %q", d.Timezone)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(b, &tree); err != nil {
		t.Fatal(err)
	}
	walk("", tree, func(path string, v any) {
		m, ok := v.(map[string]any)
		if !ok || !strings.HasSuffix(path, ".datasource") {
			return
		}
		if uid := m["uid"]; uid != templated.UID && uid != "-- Grafana --" {
			t.Errorf("%s has uid %v", path, uid)
		}
	})
}

func walk(path string, v any, visit func(string, any)) {
	visit(path, v)
	switch v := v.(type) {
	case map[string]any:
		for k, w := range v {
			walk(path+"."+k, w, visit)
		}
	case []any:
		for i, w := range v {
			walk(fmt.Sprintf("%s[%d]", path, i), w, visit)
		}
	}
}

func TestVariables(t *testing.T) {
	t.Parallel()
	want := map[string]string{ // name -> start of its query
		"job":      "label_values(ssm_doctor_node_state, job)",
		"instance": `label_values(ssm_doctor_node_state{job=~"$job"}, instance)`,
		"cause":    `label_values(ssm_doctor_root_cause_info{job=~"$job"}, cause)`,
	}
	list := read(t).Templating.List
	if len(list) == 0 || list[0].Name != "datasource" || list[0].Type != "datasource" || string(list[0].Query) != `"prometheus"` {
		t.Fatalf("first variable %+v", list)
	}
	for _, v := range list[1:] {
		query, ok := want[v.Name]
		if !ok {
			t.Errorf("variable %s", v.Name)
			continue
		}
		delete(want, v.Name)
		if v.Definition != query || !strings.Contains(string(v.Query), "label_values") || v.Type != "query" {
			t.Errorf("%s asks %s (%s)", v.Name, v.Definition, v.Query)
		}
		// 2: when the time range changes.
		if v.Refresh != 2 || !v.Multi || !v.IncludeAll || v.AllValue != ".+" || v.Label == "" || v.Datasource != templated {
			t.Errorf("%s: %+v", v.Name, v)
		}
	}
	for name := range want {
		t.Errorf("no variable %s", name)
	}
}

func TestPanelsExplainThemselves(t *testing.T) {
	t.Parallel()
	ids, titles := map[int]bool{}, map[string]bool{}
	d := read(t)
	for _, p := range d.Panels {
		if p.Type == "row" {
			ids[p.ID] = true
		}
	}
	graphs := d.graphs()
	if len(graphs) < 20 {
		t.Errorf("%d panels", len(graphs))
	}
	for _, p := range graphs {
		if ids[p.ID] || titles[p.Title] || p.ID == 0 {
			t.Errorf("%q: id %d or title is there twice", p.Title, p.ID)
		}
		ids[p.ID], titles[p.Title] = true, true
		switch {
		case p.Title == "":
			t.Errorf("panel %d has no title", p.ID)
		case !strings.HasSuffix(p.Description, "."):
			t.Errorf("%q: description %q", p.Title, p.Description)
		case p.FieldConfig.Defaults.Unit == "":
			t.Errorf("%q has no unit", p.Title)
		case p.Datasource != templated:
			t.Errorf("%q: data source %+v", p.Title, p.Datasource)
		case len(p.Targets) == 0:
			t.Errorf("%q asks nothing", p.Title)
		case slices.Contains([]string{"timeseries", "state-timeline"}, p.Type) && (p.Options.Legend == nil || !p.Options.Legend.Show):
			t.Errorf("%q has no legend", p.Title)
		}
		refs := map[string]bool{}
		for _, q := range p.Targets {
			if q.Datasource != templated || q.Legend == "" || refs[q.RefID] || (p.Type == "table") != (q.Format == "table") {
				t.Errorf("%q: target %+v", p.Title, q)
			}
			refs[q.RefID] = true
		}
	}
}

// TestPanelsDoNotOverlap looks at the 24 columns that Grafana lays out.
func TestPanelsDoNotOverlap(t *testing.T) {
	t.Parallel()
	d := read(t)
	all := slices.Concat(d.Panels)
	for _, p := range d.Panels {
		all = append(all, p.Panels...)
	}
	for i, a := range all {
		if a.Grid.W < 1 || a.Grid.H < 1 || a.Grid.X < 0 || a.Grid.X+a.Grid.W > 24 {
			t.Errorf("%q at %+v", a.Title, a.Grid)
		}
		for _, b := range all[:i] {
			if a.Grid.X < b.Grid.X+b.Grid.W && b.Grid.X < a.Grid.X+a.Grid.W && a.Grid.Y < b.Grid.Y+b.Grid.H && b.Grid.Y < a.Grid.Y+a.Grid.H {
				t.Errorf("%q lies on %q", a.Title, b.Title)
			}
		}
	}
}
