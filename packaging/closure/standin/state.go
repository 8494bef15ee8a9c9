//go:build linux

package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// remember writes what the agent keeps of its credentials.
func (a *agent) remember(k keys, source string) error {
	kind, share := "EC2", ""
	if strings.HasPrefix(a.node, "mi-") {
		kind, share = "OnPrem", "/root/.aws/credentials"
	} else if source == "SSM" {
		share = data + "/credentials"
	}
	if err := os.MkdirAll(data+"/runtimeconfig", 0o700); err != nil {
		return err
	}
	raw, err := json.Marshal(map[string]any{"SchemaVersion": "1.1", "InstanceId": a.node, "IdentityType": kind, "ShareFile": share, "ShareProfile": "",
		"CredentialsExpiresAt": k.Expiration.UTC().Format(time.RFC3339), "CredentialsRetrievedAt": time.Now().Add(-since).UTC().Format(time.RFC3339Nano), "CredentialSource": source})
	if err != nil {
		return err
	}
	return os.WriteFile(data+"/runtimeconfig/identity_config.json", raw, 0o600)
}

// share writes credentials for others on this host.
func (a *agent) share(file string, k keys) {
	_ = os.MkdirAll(filepath.Dir(file), 0o700)
	_ = os.WriteFile(file, fmt.Appendf(nil, "[default]\naws_access_key_id     = %s\naws_secret_access_key = %s\naws_session_token     = %s\n", k.AccessKeyID, k.SecretAccessKey, k.Token), 0o600)
}

// vault stores a registration.
func (a *agent) vault(manifest, name, node string, public bool) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return
	}
	pub := ""
	if public {
		der, _ := x509.MarshalPKIXPublicKey(&private.PublicKey)
		pub = base64.StdEncoding.EncodeToString(der)
	}
	store := data + "/Vault/Store/"
	_ = os.MkdirAll(store, 0o700)
	key, _ := json.Marshal(map[string]string{"instanceID": node, "region": a.region, "instanceType": "", "availabilityZone": "", "privateKey": base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PrivateKey(private)),
		"publicKey": pub, "privateKeyType": "Rsa", "privateKeyCreatedDate": time.Now().UTC().Format("2006-01-02 15:04:05.999999999") + " +0000 UTC"})
	index := map[string]string{}
	if raw, err := os.ReadFile(data + "/Vault/" + manifest); err == nil {
		_ = json.Unmarshal(raw, &index)
	}
	index[name] = store + name
	list, _ := json.Marshal(index)
	_ = os.WriteFile(store+name, key, 0o600)
	_ = os.WriteFile(data+"/Vault/"+manifest, list, 0o600)
}

// register is amazon-ssm-agent -register.
func (a *agent) register(args []string) error {
	given := map[string]string{}
	for i := 0; i < len(args); i++ {
		name := strings.TrimLeft(args[i], "-")
		switch name {
		case "clear", "y":
			given[name] = "yes"
		case "id", "code", "region":
			if i++; i == len(args) {
				return fmt.Errorf("flag needs an argument: -%s", name)
			}
			given[name] = args[i]
		default:
			return fmt.Errorf("flag provided but not defined: -%s", name)
		}
	}
	vault := data + "/Vault/"
	if given["clear"] != "" {
		for _, f := range []string{"Store/RegistrationKey", "Manifest", "Store/InstanceFingerprint"} {
			if err := os.Remove(vault + f); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		_ = os.Remove(data + "/registration")
		if given["id"] == "" {
			return nil
		}
	}
	if given["id"] == "" || given["code"] == "" || given["region"] == "" {
		return errors.New("registration needs -id, -code and -region")
	}
	var had struct{ InstanceID string }
	if raw, err := os.ReadFile(vault + "Store/RegistrationKey"); err == nil && given["y"] == "" {
		_ = json.Unmarshal(raw, &had)
		if had.InstanceID != "" {
			return fmt.Errorf("Instance already registered. Would you like to override existing with new registration information? [Yes/No]: no answer")
		}
	}
	a.region = given["region"]
	body, _, why := a.call(keys{}, "ssm", "AmazonSSM.RegisterManagedInstance", map[string]any{"ActivationId": given["id"], "ActivationCode": given["code"], "PublicKey": "stand-in", "PublicKeyType": "Rsa", "Fingerprint": "stand-in"})
	if why != "" {
		return errors.New("Registration failed due to error registering the instance with AWS SSM. " + why)
	}
	var w struct{ InstanceID string }
	if err := json.Unmarshal(body, &w); err != nil || w.InstanceID == "" {
		return fmt.Errorf("registered without an id: %s", body)
	}
	a.vault("Manifest", "RegistrationKey", w.InstanceID, false)
	// The fingerprint of this machine.
	machine, _ := os.ReadFile("/etc/machine-id")
	name, _ := os.Hostname()
	fingerprint, _ := json.Marshal(map[string]any{"fingerprint": "368c560c-9969-421f-8818-6ac85f659e66", "similarityThreshold": 40, "hardwareHash": map[string]string{"machine-id": string(machine), "hostname-info": name}})
	_ = os.WriteFile(vault+"Store/InstanceFingerprint", fingerprint, 0o600)
	list, _ := json.Marshal(map[string]string{"RegistrationKey": vault + "Store/RegistrationKey", "InstanceFingerprint": vault + "Store/InstanceFingerprint"})
	_ = os.WriteFile(vault+"Manifest", list, 0o600)
	informational, _ := json.Marshal(map[string]string{"ManagedInstanceID": w.InstanceID, "Region": a.region})
	_ = os.WriteFile(data+"/registration", informational, 0o600)
	fmt.Printf("Successfully registered the instance with AWS SSM using Managed instance-id: %s\n", w.InstanceID)
	return nil
}
