package sim

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// makeKeys makes the keys of a principal. They are random per host and stay the
// same as long as it runs.
func makeKeys(seed, name, kind string) keys {
	sum := sha256.Sum256([]byte(seed + "/" + name))
	h := hex.EncodeToString(sum[:])
	k := keys{id: "ASIA" + strings.ToUpper(h[:16]), secret: h[16:56], token: "IQoJb3JpZ2luX2VjE" + base64.RawStdEncoding.EncodeToString(sum[:])}
	if kind == KindUser {
		k.id, k.token = "AKIA"+strings.ToUpper(h[:16]), ""
	}
	return k
}

// recorder remembers the status for the journal.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(code int) {
	r.status = code
	r.ResponseWriter.WriteHeader(code)
}

// Unwrap lets http.ResponseController reach the real writer.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// serveIMDS plays the metadata service.
func (h *Host) serveIMDS(w *world, rw http.ResponseWriter, r *http.Request) {
	rec := &recorder{rw, http.StatusOK}
	defer func() {
		h.note(Entry{Service: "imds", Method: r.Method, Path: r.URL.Path, Status: rec.status})
	}()
	rec.Header().Set("Server", "EC2ws")
	path := strings.TrimSuffix(r.URL.Path, "/")
	switch {
	case w.IMDS.Mode == "impostor":
		instead(rec, w.IMDS.Impostor)
		return
	case w.IMDS.Mode == "disabled":
		page(rec, http.StatusForbidden)
		return
	case r.Method == http.MethodPut && path == "/latest/api/token":
		h.token(rec, r)
		return
	case r.Method != http.MethodGet:
		page(rec, http.StatusMethodNotAllowed)
		return
	}
	t := r.Header.Get("X-Aws-Ec2-Metadata-Token")
	h.mu.Lock()
	valid := time.Now().Before(h.tokens[t])
	h.mu.Unlock()
	if t == "" && w.IMDS.Mode != "optional" || t != "" && !valid {
		page(rec, http.StatusUnauthorized)
		return
	}
	if o, ok := w.IMDS.Overrides[strings.TrimPrefix(path, "/latest")]; ok {
		instead(rec, o)
		return
	}
	body, ok := children(w.metadata(), path)
	if empty := "/latest/meta-data/iam/security-credentials"; w.IMDS.NoRole && path == empty {
		body, ok = "", true
	}
	if !ok {
		page(rec, http.StatusNotFound)
		return
	}
	rec.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(rec, body)
}

// instead gives an answer that the metadata service would not give.
func instead(rw http.ResponseWriter, i Impostor) {
	if i.Server != "" {
		rw.Header().Set("Server", i.Server)
	}
	if i.Type != "" {
		rw.Header().Set("Content-Type", i.Type)
	}
	if i.Status != 0 {
		rw.WriteHeader(i.Status)
	}
	_, _ = io.WriteString(rw, i.Body)
}

func page(rw http.ResponseWriter, status int) {
	t := strconv.Itoa(status) + " - " + http.StatusText(status)
	rw.Header().Set("Content-Type", "text/html")
	rw.WriteHeader(status)
	fmt.Fprintf(rw, "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\" lang=\"en\">\n <head>\n  <title>%s</title>\n </head>\n <body>\n  <h1>%s</h1>\n </body>\n</html>\n", t, t)
}

// maxTTL is the longest life of a metadata token in seconds, six hours.
const maxTTL = 21600

// maxTokens are valid at a time; the one that would end first gives way.
const maxTokens = 64

func (h *Host) token(rw http.ResponseWriter, r *http.Request) {
	ttl, err := strconv.Atoi(r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds"))
	switch {
	case err != nil || ttl < 1 || ttl > maxTTL:
		page(rw, http.StatusBadRequest)
		return
	case r.Header.Get("X-Forwarded-For") != "":
		page(rw, http.StatusForbidden)
		return
	}
	t := base64.URLEncoding.EncodeToString([]byte(rand.Text() + rand.Text())[:40])
	h.mu.Lock()
	if len(h.tokens) >= maxTokens { // a daemon asks for many
		delete(h.tokens, slices.MinFunc(slices.Collect(maps.Keys(h.tokens)), func(a, b string) int { return h.tokens[a].Compare(h.tokens[b]) }))
	}
	h.tokens[t] = time.Now().Add(time.Duration(ttl) * time.Second)
	h.mu.Unlock()
	rw.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", strconv.Itoa(ttl))
	_, _ = io.WriteString(rw, t)
}

// children answers a path from a tree, with a listing for a directory.
func children(tree map[string]string, path string) (string, bool) {
	if v, ok := tree[path]; ok {
		return v, true
	}
	names := map[string]bool{}
	for k := range tree {
		rest, ok := strings.CutPrefix(k, path+"/")
		if !ok {
			continue
		}
		name, _, deeper := strings.Cut(rest, "/")
		if deeper {
			name += "/"
		}
		names[name] = true
	}
	return strings.Join(slices.Sorted(maps.Keys(names)), "\n"), len(names) > 0
}

func text(v any) string {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err) // maps of strings marshal
	}
	return string(b)
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// metadata is what the metadata service knows, by path.
func (w *world) metadata() map[string]string {
	const md, mac = "/latest/meta-data", "0a:1b:2c:3d:4e:5f"
	now := w.service()
	iface := md + "/network/interfaces/macs/" + mac + "/"
	t := map[string]string{
		md + "/ami-id": "ami-0a1b2c3d4e5f60718", md + "/instance-id": w.Instance, md + "/instance-type": "t3.small", md + "/local-ipv4": w.Address, md + "/mac": mac,
		md + "/placement/region": w.Region, md + "/placement/availability-zone": w.Region + "a",
		md + "/services/domain": w.Domain(), md + "/services/partition": w.Partition(),
		iface + "vpc-id": "vpc-0a1b2c3d4e5f60718", iface + "subnet-id": "subnet-0a1b2c3d4e5f60718", iface + "vpc-ipv4-cidr-block": w.network(16), iface + "security-group-ids": "sg-0a1b2c3d4e5f60718",
		"/latest/dynamic/instance-identity/document": text(map[string]any{
			"accountId": w.Account, "architecture": "x86_64", "availabilityZone": w.Region + "a", "imageId": "ami-0a1b2c3d4e5f60718", "instanceId": w.Instance,
			"instanceType": "t3.small", "pendingTime": "2026-01-02T03:04:05Z", "privateIp": w.Address, "region": w.Region, "version": "2017-09-30",
		}),
	}
	if p := w.Principals[w.IMDS.Profile]; p != nil {
		arn := w.IMDS.ProfileARN
		if arn == "" {
			arn = "arn:" + w.Partition() + ":iam::" + w.Account + ":instance-profile/" + p.Name
		}
		t[md+"/iam/info"] = text(map[string]any{"Code": "Success", "LastUpdated": stamp(now.Add(-10 * time.Minute)), "InstanceProfileArn": arn, "InstanceProfileId": "AIPA0A1B2C3D4E5F60718"})
		if !w.IMDS.NoRole {
			t[md+"/iam/security-credentials/"+p.Name] = w.credentials(w.IMDS.Profile)
		}
	}
	for name, p := range w.Principals {
		if p.Kind == KindIdentity && w.IMDS.Identity {
			t[md+"/identity-credentials/ec2/info"] = text(map[string]any{"Code": "Success", "LastUpdated": stamp(now.Add(-10 * time.Minute)), "AccountId": w.Account})
			t[md+"/identity-credentials/ec2/security-credentials/ec2-instance"] = w.credentials(name)
		}
	}
	return t
}

// life is how long a principal's credentials last from now on.
func life(p *Principal) time.Duration {
	if p.Life == 0 {
		return 5 * time.Hour
	}
	return time.Duration(p.Life)
}

// credentials is the document with a role's keys, or with the reason for none.
func (w *world) credentials(name string) string {
	p, now := w.Principals[name], w.service()
	if p.Code != "" && p.Code != "Success" {
		return text(map[string]any{"Code": p.Code, "Message": p.Message, "LastUpdated": stamp(now)})
	}
	k := w.keys[name]
	return text(map[string]any{"Code": "Success", "LastUpdated": stamp(now.Add(-10 * time.Minute)), "Type": "AWS-HMAC",
		"AccessKeyId": k.id, "SecretAccessKey": k.secret, "Token": k.token, "Expiration": stamp(now.Add(life(p)))})
}

// serveTask plays the task metadata endpoint of ECS.
func (h *Host) serveTask(w *world, rw http.ResponseWriter, r *http.Request) {
	rec := &recorder{rw, http.StatusOK}
	if w.Task == nil || !strings.HasSuffix(r.URL.Path, "/task") {
		rec.WriteHeader(http.StatusNotFound)
	} else {
		arn := "arn:" + w.Partition() + ":ecs:" + w.Region + ":" + w.Account + ":"
		cluster := w.Task.Cluster
		if cluster == "" {
			cluster = "demo"
		}
		rec.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(rec, text(map[string]any{"Cluster": arn + "cluster/" + cluster, "TaskARN": arn + "task/" + cluster + "/0123456789abcdef0123456789abcdef",
			"Family": "web", "Revision": "7", "LaunchType": "FARGATE", "DesiredStatus": "RUNNING", "KnownStatus": "RUNNING"}))
	}
	h.note(Entry{Service: "ecs", Method: r.Method, Path: r.URL.Path, Status: rec.status})
}
