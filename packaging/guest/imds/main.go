// Command imds plays the instance metadata service for a guest: an instance
// without a profile. Sessions only, as with HttpTokens=required.
//
//	imds ADDRESS...
package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"
)

const identity = `{"accountId":"111122223333","architecture":"x86_64","availabilityZone":"eu-central-1a","imageId":"ami-0123456789abcdef0","instanceId":"i-0123456789abcdef0","instanceType":"t3.micro","privateIp":"10.0.0.5","region":"eu-central-1","version":"2017-09-30"}`

var documents = map[string]string{
	"/latest/dynamic/instance-identity/document":      identity,
	"/latest/meta-data/instance-id":                   "i-0123456789abcdef0",
	"/latest/meta-data/instance-type":                 "t3.micro",
	"/latest/meta-data/local-ipv4":                    "10.0.0.5",
	"/latest/meta-data/placement/region":              "eu-central-1",
	"/latest/meta-data/placement/availability-zone":   "eu-central-1a",
	"/latest/meta-data/services/domain":               "amazonaws.com",
	"/latest/meta-data/services/partition":            "aws",
	"/latest/meta-data/mac":                           "02:00:00:00:00:01",
	"/latest/meta-data/network/interfaces/macs/":      "02:00:00:00:00:01/",
	"/latest/meta-data/identity-credentials/ec2/info": `{"Code":"Success","LastUpdated":"2026-01-01T00:00:00Z","AccountId":"111122223333"}`,
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(addresses []string) error {
	token := rand.Text()
	h := handler(token)
	errs := make(chan error)
	for _, a := range addresses {
		l, err := net.Listen("tcp", a)
		if err != nil {
			return err
		}
		s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
		go func() { errs <- s.Serve(l) }()
	}
	fmt.Println("ready")
	return <-errs
}

func handler(token string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/latest/api/token" {
			if r.Method != http.MethodPut {
				http.Error(w, "", http.StatusMethodNotAllowed)
				return
			}
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", r.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds"))
			_, _ = io.WriteString(w, token)
			return
		}
		if r.Header.Get("X-Aws-Ec2-Metadata-Token") != token {
			http.Error(w, "", http.StatusUnauthorized)
			return
		}
		text, ok := documents[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, text)
	})
}
