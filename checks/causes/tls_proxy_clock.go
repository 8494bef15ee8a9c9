package causes

import (
	"path"
	"strings"

	"ssm-doctor/checks/facts"
)

// proxyDropIn writes the proxy of the agent's service.
var proxyDropIn = DropIn(`[Service]\nEnvironment="http_proxy={proxy}" "https_proxy={proxy}" "no_proxy={noproxy}"\n`, "zz-proxy.conf")

// Where the agent takes its proxy from: AWS Systems Manager user guide,
// "Configuring SSM Agent to use a proxy".
var (
	proxyWindows = windows.asRoot("Set the service's own proxy to {proxy}, with a no_proxy that lists the metadata addresses; this replaces the variables that are set there",
		`Set-ItemProperty HKLM:\SYSTEM\CurrentControlSet\Services\AmazonSSMAgent -Name Environment -Type MultiString -Value 'http_proxy={proxy}','https_proxy={proxy}','no_proxy={noproxy}'`)
	proxyMac = mac.onHost("The agent takes the proxy of the network settings: correct it there, with the metadata address among the exceptions (no_proxy)", "scutil --proxy")
	reload   = linux.asRoot("Load it and restart", "systemctl daemon-reload\n{restart}")
	// Where nothing has to be loaded.
	restartMac, restartWindows = on(mac, restart), on(windows, restart)
)

// lastOfChain keeps the last certificate of the chain that openssl shows, and says whose it
// is; where there is none, why stands before it, and nothing is left that could be trusted.
const lastOfChain = ` | awk '/BEGIN CERT/ {n = ""} {n = n $0 "\n"} /END CERT/ {last = n} END {printf "%s", last}' > ~root/your-ca.pem
openssl x509 -noout -subject -issuer -fingerprint -sha256 -in ~root/your-ca.pem || rm -f ~root/your-ca.pem`

// Reload is the remedy where the settings of the service are right and only the
// running agent has others.
var Reload = []Step{reload, restartMac, restartWindows, verify}

// proxyDropInOf writes another proxy than {proxy}.
func proxyDropInOf(url string) string { return strings.ReplaceAll(proxyDropIn, "{proxy}", url) }

// WriteProxy gives the agent's service the proxy {proxy}.
func WriteProxy(says string) []Step {
	return []Step{linux.asRoot(says, proxyDropIn), proxyMac, proxyWindows}
}

// noProxyDropIn takes the proxies away that other files give the service: from systemd 235
// on whichever file it is, before that if it is not a file of variables, which is read later.
var noProxyDropIn = linux.asRoot("Take the proxy away from the agent's service alone; this drop-in is read last",
	DropIn(`[Service]\nUnsetEnvironment=http_proxy https_proxy HTTP_PROXY HTTPS_PROXY\nEnvironment="http_proxy=" "https_proxy=" "HTTP_PROXY=" "HTTPS_PROXY="\n`, "zz-proxy.conf"))

// WithoutProxy takes the proxy of the agent's service away where it is set: in the files that
// are its own the lines, or the file if that is for nothing else; what is there for other
// services as well, or is part of a package, is left and overridden.
func WithoutProxy(files []facts.ProxyFile) []Step {
	var out []Step
	override := len(files) == 0
	for _, f := range files {
		switch {
		case !Safe(f.Path) || !strings.HasPrefix(f.Path, "/etc/") || f.Kind == facts.ProxyUnit || f.Kind == facts.ProxyManager || f.Kind == facts.ProxyEnvironment && !strings.Contains(path.Base(f.Path), "ssm"):
			override = true
		case f.Kind == facts.ProxyEnvironment:
			out = append(out, linux.asRoot("Take the proxy out of the file of variables that the service reads", "sed -i.off -E '/^[[:space:]]*(export[[:space:]]+)?(http|https)_proxy[[:space:]]*=/Id' "+f.Path))
		case f.Alone:
			out = append(out, linux.asRoot("Take the proxy away: this drop-in sets nothing else", "mv "+f.Path+" "+f.Path+".off"))
		case f.Lines:
			out = append(out, linux.asRoot("Take the proxy out of the drop-in; the file as it was stays beside it, with .off at the end", "sed -i.off -E '/^[[:space:]]*Environment[[:space:]]*=.*(http|https)_proxy=/Id' "+f.Path))
		default:
			override = true
		}
	}
	if override {
		out = append(out, noProxyDropIn)
	}
	return out
}

// LogInToProxy gives the agent's service a login of its proxy. The whole URL is left to the
// reader: what stands between // and @ is taken out of all that is printed.
func LogInToProxy() []Step {
	const says = "Give the service a login of the proxy, which its administrator knows; percent-encode special characters in it"
	return []Step{
		linux.asRoot(says+", and write %%%% for each percent sign", proxyDropInOf("PROXY_URL")+"\nchmod 600 /etc/systemd/system/{unit}.d/zz-proxy.conf"),
		proxyMac,
		windows.asRoot(says, strings.ReplaceAll(proxyWindows.Command, "{proxy}", "PROXY_URL")),
	}
}

// AskForConnect is the remedy where the rules of a proxy do not let an endpoint through.
var AskForConnect = []Step{
	onHost("Ask the proxy's administrator to allow CONNECT to port 443 of these names, without a login", "echo ssm.{region}.{domain} ssmmessages.{region}.{domain}"),
	restart, verify,
}

// refusedByProxy is for readers of the cause alone. A report knows which of the two it is.
func refusedByProxy() []Step {
	steps := LogInToProxy()
	for i := range steps {
		steps[i].Text = "If it asks for a login (407): " + lowerFirst(steps[i].Text)
	}
	ask := AskForConnect[0]
	ask.Text = "If its rules refuse the names (403): " + lowerFirst(ask.Text)
	return append(append(steps, ask), Reload...)
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }

var pathCauses = []Cause{
	Cause{
		ID: "tls-untrusted-ca", Group: "tls-proxy-clock", Severity: Critical, Title: "certificate not trusted",
		Meaning: "A Systems Manager endpoint shows a certificate that this host does not trust. Usually a device inspects TLS with its own CA; sometimes the trust store is outdated.",
		Fix: []Step{
			unix.asRoot("Save the CA that the server shows as your-ca.pem. Ask the team that inspects TLS whether this fingerprint is theirs; if issuer and subject differ, the CA itself was not sent, and they have it", "openssl s_client -connect {endpoint}:443 -servername {endpoint} -showcerts </dev/null"+lastOfChain),
			windows.onHost("Check who issued the certificate of {endpoint}", "$c = New-Object Net.Sockets.TcpClient('{endpoint}',443); $s = New-Object Net.Security.SslStream($c.GetStream(),$false,{$true}); $s.AuthenticateAsClient('{endpoint}'); $s.RemoteCertificate | Format-List Subject,Issuer"),
			linux.asRoot("If it is your own inspection CA, add it to the trust store", "{trustca}"),
			linux.asRoot("If it is a public CA, refresh the trust store", "{refreshca}"),
			mac.asRoot("If it is your own inspection CA, add it to the trust store, or exempt the Systems Manager endpoints from inspection", "security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain ~root/your-ca.pem"),
			windows.asRoot("If the issuer is your own inspection CA, add it to the trust store, or exempt the Systems Manager endpoints from inspection", `Import-Certificate -FilePath YOUR-CA.cer -CertStoreLocation Cert:\LocalMachine\Root`),
			restart, verify,
		},
		Docs: []string{docProxy, docTroubleshoot},
	},
	Cause{
		ID: "proxy-scheme-mismatch", Group: "tls-proxy-clock", Severity: Critical, Title: "proxy URL has the wrong scheme",
		Meaning: "The URL of the agent's proxy says https:// while the proxy speaks plain HTTP, or the reverse. http:// is right for nearly every proxy, also for HTTPS traffic through it.",
		Fix: []Step{
			linux.asRoot("Set the proxy of the service to {proxy}", proxyDropIn),
			proxyMac, proxyWindows,
			reload, restartMac, restartWindows, verify,
		},
		Docs: []string{docProxy},
	},
	Cause{
		ID: "proxy-certificate-untrusted", Group: "tls-proxy-clock", Severity: Critical, Title: "proxy's certificate not trusted",
		Meaning: "The agent's proxy is reached by https://, and the certificate it shows is not accepted by this host: its issuer is not trusted, it is for another name, or it has expired. The agent does not talk to such a proxy.",
		Fix: []Step{
			unix.asRoot("Save the CA that the proxy shows as your-ca.pem. Ask the team that runs the proxy whether this fingerprint is theirs; if issuer and subject differ, the CA itself was not sent, and they have it", "openssl s_client -connect {address} -showcerts </dev/null"+lastOfChain),
			windows.onHost("Check what is wrong with the certificate that the proxy shows", "$u = [uri]'{proxy}'; $c = New-Object Net.Sockets.TcpClient; $c.Connect($u.Host, $u.Port); $s = New-Object Net.Security.SslStream($c.GetStream(), $false, {$true}); $s.AuthenticateAsClient($u.Host, $null, 'Tls12', $false); New-Object Security.Cryptography.X509Certificates.X509Certificate2 $s.RemoteCertificate | Format-List Subject,Issuer,NotAfter,DnsNameList"),
			linux.asRoot("If it is your own CA, add it to the trust store", "{trustca}"),
			mac.asRoot("If it is your own CA, add it to the trust store", "security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain ~root/your-ca.pem"),
			windows.asRoot("If the issuer is your own CA, add it to the trust store", `Import-Certificate -FilePath YOUR-CA.cer -CertStoreLocation Cert:\LocalMachine\Root`),
			restart, verify,
		},
		Docs: []string{docProxy},
	},
	Cause{
		ID: "proxy-not-applied-to-agent", Group: "tls-proxy-clock", Severity: Critical, Title: "proxy not used by the agent's service",
		Meaning: "A proxy that works is set on this host, but the agent goes directly, which is not possible here: its service does not read /etc/environment or a shell's profile, its no_proxy names the endpoints, or it was not restarted since.",
		Fix: []Step{
			linux.asRoot("Set the proxy for the agent's service in a drop-in, with no_proxy for the metadata address", proxyDropIn),
			proxyMac, proxyWindows,
			reload, restartMac, restartWindows, verify,
		},
		Docs: []string{docProxy},
	},
	Cause{
		ID: "proxy-refuses", Group: "tls-proxy-clock", Severity: Critical, Title: "proxy refuses the connection",
		Meaning: "The agent's proxy answers CONNECT to a Systems Manager endpoint with a refusal: it asks for a login (407), or its rules do not allow the name (403).",
		Fix:     refusedByProxy(),
		Docs:    []string{docProxy},
	},
	Cause{
		ID: "proxy-unreachable", Group: "tls-proxy-clock", Severity: Critical, Title: "proxy cannot be reached",
		Meaning: "The proxy that the agent's service is told to use cannot be resolved or reached.",
		Fix: []Step{
			linux.asRoot("Set the proxy that is in use now in place of {proxy}; its administrator knows which", proxyDropInOf("http://PROXY:PORT")),
			or(linux.onHost)("Or ask its administrator to bring it back", "echo {proxy}"),
			proxyMac,
			windows.onHost("Check where the service gets it from: its own variables, then the settings of the machine", `Get-ItemProperty HKLM:\SYSTEM\CurrentControlSet\Services\AmazonSSMAgent -Name Environment; netsh winhttp show proxy`),
			windows.asRoot("Correct the address there; where there is a direct way, remove the proxy", `Remove-ItemProperty HKLM:\SYSTEM\CurrentControlSet\Services\AmazonSSMAgent -Name Environment; netsh winhttp reset proxy`),
			reload, restartMac, restartWindows, verify,
		},
		Docs: []string{docProxy},
	},
	Cause{
		ID: "clock-late-at-boot", Group: "tls-proxy-clock", Severity: Critical, Title: "clock was set after the agent's start",
		Meaning: "At boot the agent started before the clock was set, and AWS refused its first requests because of their time. The clock is right now, but the agent waits before it tries again, and this may happen at every boot.",
		Fix: []Step{
			asRoot("Restart the agent: it signs with the right time now", "{restart}"),
			linux.asRoot("For the next boot, let it start only after the clock was set",
				DropIn(`[Unit]\nWants=time-sync.target\nAfter=time-sync.target\n`, "time.conf")+"\nsystemctl daemon-reload"),
			linux.asRoot("Enable the service that waits for the clock: chrony-wait with chrony, systemd-time-wait-sync with systemd-timesyncd", "systemctl enable chrony-wait.service || systemctl enable systemd-time-wait-sync.service"),
			windows.asRoot("For the next boot, start it later", "sc.exe config AmazonSSMAgent start= delayed-auto"),
			verify,
		},
		Docs: []string{docTime, docAgentStart},
	},
	Cause{
		ID: "clock-skew", Group: "tls-proxy-clock", Severity: Critical, Title: "clock is wrong",
		Meaning: "The clock of this host is more than five minutes off AWS time. Signed requests are refused, and certificates may seem expired.",
		Fix: []Step{
			linux.asRoot("Switch on time sync and step the clock (NTP; on EC2 chrony should use 169.254.169.123)", "timedatectl set-ntp true; systemctl restart chronyd || systemctl restart chrony || systemctl restart systemd-timesyncd; chronyc makestep"),
			linux.onHost("Check that the clock stays right", "timedatectl; chronyc tracking || timedatectl timesync-status"),
			mac.asRoot("Switch on time sync and step the clock (NTP)", "systemsetup -setusingnetworktime on; sntp -sS time.aws.com"),
			windows.asRoot("Switch on the Windows Time service and step the clock (NTP; on EC2 its peer should be 169.254.169.123)", "Set-Service W32Time -StartupType Automatic; Restart-Service W32Time; w32tm /resync /rediscover"),
			windows.onHost("Check that the clock stays right", "w32tm /query /status"),
			asRoot("Restart the agent, because it uses this clock to time its retries", "{restart}"),
			verify,
		},
		Docs: []string{docTime},
	},
}
