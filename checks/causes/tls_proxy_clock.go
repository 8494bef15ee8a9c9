package causes

// proxyDropIn writes the proxy of the agent's service.
const proxyDropIn = "mkdir -p /etc/systemd/system/{unit}.d && printf '[Service]\\nEnvironment=\"http_proxy={proxy}\" \"https_proxy={proxy}\" \"no_proxy=169.254.169.254,fd00:ec2::254\"\\n' > /etc/systemd/system/{unit}.d/zz-proxy.conf"

var _ = add(
	Cause{
		ID: "tls-untrusted-ca", Group: "tls-proxy-clock", Severity: Critical, Title: "certificate not trusted",
		Meaning: "What answers for a Systems Manager endpoint shows a certificate that this host does not trust: usually a device that inspects TLS with a CA of its own, sometimes an outdated trust store.",
		Fix: []Step{
			onHost("See the chain that is shown for {endpoint}", "openssl s_client -connect {endpoint}:443 -servername {endpoint} -showcerts </dev/null"),
			asRoot("If the issuer is your own inspection CA, add it to the trust store (Red Hat family, Amazon Linux)", "cp YOUR-CA.pem /etc/pki/ca-trust/source/anchors/ && update-ca-trust"),
			asRoot("Or on Debian and Ubuntu", "cp YOUR-CA.pem /usr/local/share/ca-certificates/your-ca.crt && update-ca-certificates"),
			asRoot("Or exempt the Systems Manager endpoints from inspection, and refresh an outdated trust store", "dnf upgrade -y ca-certificates"),
			restart, verify,
		},
		Docs: []string{docProxy, docTroubleshoot},
	},
	Cause{
		ID: "proxy-scheme-mismatch", Group: "tls-proxy-clock", Severity: Critical, Title: "proxy URL has the wrong scheme",
		Meaning: "The URL of the agent's proxy says https:// while the proxy speaks plain HTTP, or the reverse. http:// is right for nearly every proxy, also for HTTPS traffic through it.",
		Fix: []Step{
			asRoot("Set the proxy of the service to {proxy}", proxyDropIn),
			asRoot("Load it and restart", "systemctl daemon-reload && {restart}"),
			verify,
		},
		Docs: []string{docProxy},
	},
	Cause{
		ID: "proxy-not-applied-to-agent", Group: "tls-proxy-clock", Severity: Critical, Title: "proxy not set for the agent's service",
		Meaning: "A proxy is set for users of this host, and it works, but the agent's service does not read /etc/environment or a shell's profile and goes directly, which is not possible here.",
		Fix: []Step{
			asRoot("Give the service the proxy by a drop-in (override), with no_proxy for the metadata address", proxyDropIn),
			asRoot("Load it and restart", "systemctl daemon-reload && {restart}"),
			verify,
		},
		Docs: []string{docProxy},
	},
	Cause{
		ID: "proxy-refuses", Group: "tls-proxy-clock", Severity: Critical, Title: "proxy refuses the connection",
		Meaning: "The agent's proxy answers CONNECT to a Systems Manager endpoint with a refusal: it asks for a login (407) or its rules do not allow the name (403).",
		Fix: []Step{
			onHost("Ask the proxy yourself", "curl -sv -m 10 -x {proxy} https://{endpoint}/ 2>&1 | grep -E '^[<>*] (CONNECT|HTTP|Proxy)'"),
			operator("Let the proxy's administrator allow CONNECT to port 443 of these names, without login for this host", "printf '%s\\n' ssm.{region}.{domain} ssmmessages.{region}.{domain} ec2messages.{region}.{domain}"),
			restart, verify,
		},
		Docs: []string{docProxy},
	},
	Cause{
		ID: "proxy-unreachable", Group: "tls-proxy-clock", Severity: Critical, Title: "proxy cannot be reached",
		Meaning: "The proxy that the agent's service is told to use cannot be resolved or connected.",
		Fix: []Step{
			onHost("Try it", "curl -sv -m 5 -x {proxy} https://ssm.{region}.{domain}/ 2>&1 | head -5"),
			onHost("See where the service gets it from", "systemctl show {unit} -p Environment -p DropInPaths"),
			asRoot("Correct the address, or remove the proxy where there is a direct way", "systemctl edit {unit}"),
			asRoot("Load it and restart", "systemctl daemon-reload && {restart}"),
			verify,
		},
		Docs: []string{docProxy},
	},
	Cause{
		ID: "clock-skew", Group: "tls-proxy-clock", Severity: Critical, Title: "clock is wrong",
		Meaning: "The clock of this host is more than five minutes off AWS time. Signed requests are refused, and certificates may seem expired.",
		Fix: []Step{
			asRoot("Switch on time sync and step the clock (NTP; on EC2 chrony should use 169.254.169.123)", "timedatectl set-ntp true; systemctl restart chronyd; chronyc makestep"),
			onHost("See that it holds", "timedatectl status; chronyc tracking"),
			asRoot("Restart the agent, since it counts its waits by this clock", "{restart}"),
			verify,
		},
		Docs: []string{docTime},
	},
)
