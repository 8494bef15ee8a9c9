package sim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// amzTime is the form of times in signed requests.
const amzTime = "20060102T150405Z"

// maxSkew is how far a signature's time may be from the service's clock; S3 has
// a wider limit.
const (
	maxSkew   = 5 * time.Minute
	maxSkewS3 = 15 * time.Minute
)

// signature is what a request says of its signature.
type signature struct {
	key, date, region, service string
	headers                    []string
	at                         time.Time
}

// parseSignature reads the Authorization header; nil without one.
func parseSignature(r *http.Request) (*signature, error) {
	a := r.Header.Get("Authorization")
	if a == "" {
		return nil, nil
	}
	rest, ok := strings.CutPrefix(a, "AWS4-HMAC-SHA256 ")
	if !ok {
		return nil, fmt.Errorf("the Authorization header requires the AWS4-HMAC-SHA256 algorithm")
	}
	s := &signature{}
	for part := range strings.SplitSeq(rest, ",") {
		k, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch k {
		case "Credential":
			f := strings.Split(v, "/")
			if len(f) != 5 || f[4] != "aws4_request" {
				return nil, fmt.Errorf("a Credential must have exactly 5 slash-delimited elements")
			}
			s.key, s.date, s.region, s.service = f[0], f[1], f[2], f[3]
		case "SignedHeaders":
			s.headers = strings.Split(v, ";")
		}
	}
	var err error
	if s.at, err = time.Parse(amzTime, r.Header.Get("X-Amz-Date")); err != nil || s.key == "" || len(s.headers) == 0 {
		return nil, fmt.Errorf("the Authorization header requires Credential, SignedHeaders, Signature and a date")
	}
	return s, nil
}

// matches signs the request again with the known secret and compares.
func (s *signature) matches(r *http.Request, body []byte, k keys) bool {
	again, err := http.NewRequest(r.Method, "https://"+r.Host+r.RequestURI, strings.NewReader(string(body)))
	if err != nil {
		return false
	}
	again.ContentLength = -1
	for _, name := range s.headers {
		switch name {
		case "host", "x-amz-date", "x-amz-security-token":
		case "content-length":
			again.ContentLength = int64(len(body))
		default:
			again.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if h := r.Header.Get("X-Amz-Content-Sha256"); h != "" && h != hash {
		return false
	}
	c := aws.Credentials{AccessKeyID: s.key, SecretAccessKey: k.secret, SessionToken: k.token}
	if err := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = s.service == "s3" }).SignHTTP(r.Context(), c, again, hash, s.service, s.region, s.at); err != nil {
		return false
	}
	return hmac.Equal([]byte(again.Header.Get("Authorization")), []byte(r.Header.Get("Authorization")))
}

// skewText is the complaint about a signature's time; empty when it is near enough.
func skewText(signed, now time.Time) string {
	now = now.UTC()
	switch d := now.Sub(signed); {
	case d > maxSkew:
		return fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - 5 min.)", signed.Format(amzTime), now.Add(-maxSkew).Format(amzTime), now.Format(amzTime))
	case d < -maxSkew:
		return fmt.Sprintf("Signature not yet current: %s is still later than %s (%s + 5 min.)", signed.Format(amzTime), now.Add(maxSkew).Format(amzTime), now.Format(amzTime))
	}
	return ""
}
