//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// get asks the metadata service.
func (a *agent) get(token, path string) (string, int, error) {
	method := "GET"
	if path == "/latest/api/token" {
		method = "PUT"
	}
	req, err := http.NewRequest(method, "http://169.254.169.254"+path, nil)
	if err != nil {
		return "", 0, err
	}
	if method == "PUT" {
		req.Header.Set("X-aws-ec2-metadata-token-ttl-seconds", "21600")
	} else if token != "" {
		req.Header.Set("X-aws-ec2-metadata-token", token)
	}
	resp, err := a.metadata.Do(req)
	if err != nil {
		return "", 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return string(body), resp.StatusCode, err
}

func (a *agent) roleToken(k keys) (keys, bool, string) {
	body, unreachable, why := a.call(k, "ssm", "AmazonSSM.RequestManagedInstanceRoleToken", map[string]any{"Fingerprint": "stand-in"})
	var w struct{ AccessKeyID, SecretAccessKey, SessionToken string }
	_ = json.Unmarshal(body, &w)
	return keys{AccessKeyID: w.AccessKeyID, SecretAccessKey: w.SecretAccessKey, Token: w.SessionToken, Expiration: time.Now().Add(time.Hour)}, unreachable, why
}

func (a *agent) heartbeat(k keys) (unreachable bool, why string) {
	_, unreachable, why = a.call(k, "ssm", "AmazonSSM.UpdateInstanceInformation", map[string]any{"InstanceId": a.node, "AgentVersion": a.version, "AgentStatus": "Active", "AgentName": "amazon-ssm-agent"})
	return unreachable, why
}

// host is the name of a service's endpoint.
func (a *agent) host(service string) string {
	given := map[string]string{"ssm": a.config.Ssm.Endpoint, "ssmmessages": a.config.Mgs.Endpoint}[service]
	if given != "" {
		return strings.TrimPrefix(given, "https://")
	}
	suffix := "amazonaws.com"
	if strings.HasPrefix(a.region, "cn-") {
		suffix += ".cn"
	}
	return service + "." + a.region + "." + suffix
}

// sign signs a request.
func (a *agent) sign(req *http.Request, body []byte, k keys, service string) error {
	sum := sha256.Sum256(body)
	return v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: k.AccessKeyID, SecretAccessKey: k.SecretAccessKey, SessionToken: k.Token}, req, hex.EncodeToString(sum[:]), service, a.region, time.Now())
}

// call makes a call of a service of JSON 1.1. why is as the agent's SDK words it; empty: done.
func (a *agent) call(k keys, service, target string, input any) (body []byte, unreachable bool, why string) {
	in, err := json.Marshal(input)
	if err != nil {
		return nil, false, err.Error()
	}
	req, err := http.NewRequest("POST", "https://"+a.host(service)+"/", bytes.NewReader(in))
	if err != nil {
		return nil, true, "RequestError: send request failed\ncaused by: " + err.Error()
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", target)
	if k.AccessKeyID != "" {
		if err := a.sign(req, in, k, service); err != nil {
			return nil, false, err.Error()
		}
	}
	resp, err := a.client.Do(req)
	if err != nil {
		if service == "ec2messages" && strings.Contains(err.Error(), "awaiting headers") {
			return nil, false, "" // it waits for a command
		}
		return nil, true, "RequestError: send request failed\ncaused by: " + err.Error()
	}
	defer resp.Body.Close()
	body, _ = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if resp.StatusCode/100 == 2 {
		return body, false, ""
	}
	var e struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
		Upper   string `json:"Message"`
	}
	if json.Unmarshal(body, &e) != nil {
		return nil, true, fmt.Sprintf("SerializationError: failed to unmarshal response error\n\tstatus code: %d, request id: ", resp.StatusCode)
	}
	_, code, found := strings.Cut(e.Type, "#")
	if !found {
		code = e.Type
	}
	return nil, false, fmt.Sprintf("%s: %s\n\tstatus code: %d, request id: 65557385-1e34-0ba9-f929-53c2ac9e24eb", code, e.Message+e.Upper, resp.StatusCode)
}

// channel opens the message channel. denied: the rights are wanting.
func (a *agent) channel(k keys) (denied bool, why string) {
	way := "https://" + a.host("ssmmessages") + "/v1/control-channel/" + a.node
	body := []byte(`{"MessageSchemaVersion":"1.0","RequestId":"0b9e2a51-98f4-4f0e-9d3a-0a1b2c3d4e5f"}`)
	req, err := http.NewRequest("POST", way, bytes.NewReader(body))
	if err != nil {
		return false, err.Error()
	}
	if err := a.sign(req, body, k, "ssmmessages"); err != nil {
		return false, err.Error()
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return false, "createControlChannel request failed: failed to make http client call: " + err.Error()
	}
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return xml.Unmarshal(answer, new(struct{ Message string })) == nil && resp.StatusCode == http.StatusForbidden || strings.Contains(string(answer), "AccessDenied"),
			"createControlChannel request failed: unexpected response from the service " + string(answer)
	}
	if req, err = http.NewRequest("GET", way+"?role=subscribe&stream=input", nil); err != nil {
		return false, err.Error()
	}
	if err := a.sign(req, nil, k, "ssmmessages"); err != nil {
		return false, err.Error()
	}
	for h, v := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "c3RhbmQtaW4gb2YgdGVzdA=="} {
		req.Header.Set(h, v)
	}
	if resp, err = a.client.Do(req); err != nil {
		return false, err.Error()
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return false, "failed to connect controlchannel with error: websocket: bad handshake"
	}
	return false, ""
}
