package causes

// Rules and routes of this host that may stop packets to the metadata service.
var (
	rulesLinux   = linux.asRoot("Look for a rule or route on this host", "nft list ruleset | grep -n 169.254; iptables -S | grep -n 169.254; ip route get 169.254.169.254")
	rulesMac     = mac.asRoot("Look for a rule or route on this host", "pfctl -sr | grep 169.254; route -n get 169.254.169.254")
	rulesWindows = windows.asRoot("Look for a rule or route on this host", "Get-NetFirewallRule -Direction Outbound -Action Block -Enabled True | Format-Table Name,DisplayName; route print 169.254*")
)

// onPremOnly sets the order of identities in the agent's configuration, which it makes where
// there is none; an object that it puts ahead of one of the same name, the agent reads as one.
var onPremOnly = "[ -s {config} ] || echo '{}' > {config}\n" + EditConfig(
	`/"`+AnyCase("ConsumptionOrder")+`"/!s/\{/{"Identity": {"ConsumptionOrder": []},/`, `s/(\{"Identity": \{"ConsumptionOrder": \[\]\}),([[:space:]]*\})/\1\2/`, orderOfIdentities(`"OnPrem"`))

// exceptFromProxy gives the agent's service these exceptions from its proxy, and leaves its
// other variables.
func exceptFromProxy(says, names string) []Step {
	return []Step{
		linux.asRoot(says, DropIn(`[Service]\nEnvironment="no_proxy=`+names+`"\n`, "zz-no-proxy.conf")),
		proxyMac,
		windows.asRoot(says+", and keep its other variables",
			`$k = 'HKLM:\SYSTEM\CurrentControlSet\Services\AmazonSSMAgent'; $e = @((Get-ItemProperty $k).Environment | Where-Object { $_ -and $_ -notmatch '^no_proxy=' }); Set-ItemProperty $k -Name Environment -Type MultiString -Value ($e + 'no_proxy=`+names+`')`),
	}
}

// PastProxy lets the agent reach names without the proxy that refuses them.
var PastProxy = exceptFromProxy("Let the agent reach these names without the proxy, as this host can: add them to no_proxy of its service", "{noproxy},{beside}")

var imdsCauses = []Cause{
	Cause{
		ID: "imds-disabled", Group: "imds", Severity: Critical, Title: "instance metadata disabled",
		Meaning: "The instance metadata endpoint is switched off for this instance. On EC2 the agent learns who it is from there and cannot start without it.",
		Fix: []Step{
			operator("Enable the metadata endpoint; it takes effect within seconds",
				"aws ec2 modify-instance-metadata-options --region {region} --instance-id {instance} --http-endpoint enabled"),
			or(inTerraform)("Or in Terraform, in the aws_instance or launch template", "metadata_options {\n  http_endpoint = \"enabled\"\n}"),
			restartFailed, verify,
		},
		Docs: []string{docIMDS},
	},
	Cause{
		ID: "imds-hop-limit", Group: "imds", Severity: Critical, Title: "metadata hop limit too low",
		Meaning: "The answer to an IMDSv2 token request may cross only one network hop, so it does not reach the container in which the agent runs.",
		Fix: []Step{
			operator("Allow two hops for the metadata answer",
				"aws ec2 modify-instance-metadata-options --region {region} --instance-id {instance} --http-put-response-hop-limit 2 --http-endpoint enabled"),
			or(linux.asRoot)("Or run the container in the host network", "docker run --network host IMAGE"),
			restartFailed, verify,
		},
		Docs: []string{docIMDS},
	},
	Cause{
		ID: "imds-blocked-by-host", Group: "imds", Severity: Critical, Title: "host blocks instance metadata",
		Meaning: "A firewall rule or a route on this host itself stops packets to 169.254.169.254.",
		Fix: []Step{
			rulesLinux, rulesMac, rulesWindows,
			linux.asRoot("Remove it, or put a rule before it that lets root through", "iptables -I OUTPUT 1 -d 169.254.169.254 -m owner --uid-owner 0 -j ACCEPT"),
			windows.asRoot("Switch off the rule that blocks it", "Disable-NetFirewallRule -Name RULE_NAME"),
			linux.asRoot("Where a route discards the packets, remove the route", "ip route del 169.254.169.254"),
			mac.asRoot("Where a route discards the packets, remove the route", "route -n delete 169.254.169.254"),
			windows.asRoot("Where a route discards the packets, remove the route", "route delete 169.254.169.254"),
			restartFailed, verify,
		},
		Docs: []string{docIMDS},
	},
	Cause{
		ID: "imds-route-wrong", Group: "imds", Severity: Critical, Title: "route to metadata points elsewhere",
		Meaning: "A fixed route sends packets for 169.254.169.254 to a gateway that is in no network of this host, usually left in an image that was made in another subnet.",
		Fix: []Step{
			linux.asRoot("Remove the route", "ip route del 169.254.169.254 via {gateway}"),
			mac.asRoot("Remove the route", "route -n delete 169.254.169.254 {gateway}"),
			windows.asRoot("Remove the persistent route", "route delete 169.254.169.254"),
			windows.asRoot("If metadata does not answer then, let the launch agent write the right route", `if (Test-Path "$env:ProgramFiles\Amazon\EC2Launch\EC2Launch.exe") { & "$env:ProgramFiles\Amazon\EC2Launch\EC2Launch.exe" run } else { Import-Module C:\ProgramData\Amazon\EC2-Windows\Launch\Module\Ec2Launch.psm1; Add-Routes }`),
			restartFailed, verify,
		},
		Docs: []string{docIMDS, docTroubleshoot},
	},
	Cause{
		ID: "imds-via-proxy", Group: "imds", Severity: Critical, Title: "metadata requests go to a proxy",
		Meaning: "The agent's service has an http_proxy and its no_proxy does not list 169.254.169.254, so metadata requests go to the proxy instead of the instance.",
		Fix:     steps(exceptFromProxy("Add the metadata addresses to no_proxy of the service", "{noproxy}"), Reload),
		Docs:    []string{docProxy},
	},
	Cause{
		ID: "imds-impostor", Group: "imds", Severity: Critical, Title: "something else answers for metadata",
		Meaning: "What answers at 169.254.169.254 is neither the EC2 metadata service nor that of a known cloud: a local proxy, a router or a portal. The agent may take this host for an EC2 instance.",
		Fix: []Step{
			linux.onHost("See what answers at 169.254.169.254", "ip route get 169.254.169.254; curl -si -m 2 http://169.254.169.254/ | head"),
			mac.onHost("See what answers at 169.254.169.254", "route -n get 169.254.169.254; curl -si -m 2 http://169.254.169.254/ | head"),
			windows.onHost("See what answers at 169.254.169.254", "route print 169.254*; $q = [Net.WebRequest]::Create('http://169.254.169.254/'); $q.Proxy = $null; $q.Timeout = 2000; try { $r = $q.GetResponse() } catch { $_.Exception.Message; $r = $_.Exception.InnerException.Response }; $r | Format-List StatusCode,Server"),
			unix.asRoot("Make the agent use its hybrid registration only: set Identity.ConsumptionOrder to [\"OnPrem\"]", onPremOnly),
			windows.asRoot("Make the agent use its hybrid registration only: set Identity.ConsumptionOrder to [\"OnPrem\"]", `if (-not (Test-Path {config})) { Copy-Item "$env:ProgramFiles\Amazon\SSM\amazon-ssm-agent.json.template" {config} }; Select-String -Path {config} -Pattern ConsumptionOrder`),
			or(linux.asRoot)("Or block it on this host", "ip route add unreachable 169.254.169.254"),
			or(windows.asRoot)("Or block it on this host", "New-NetFirewallRule -DisplayName 'No EC2 metadata' -Direction Outbound -RemoteAddress 169.254.169.254 -Action Block"),
			restart, verify,
		},
		Docs: []string{docHybrid},
	},
	Cause{
		ID: "imds-not-ready-at-boot", Group: "imds", Severity: Critical, Title: "agent started before the network",
		Meaning: "At boot the agent started before metadata or network was up, gave up, and nothing started it again. Metadata and network work now; the agent is still down.",
		Fix: []Step{
			asRoot("Restart the agent", "{restart}"),
			windows.asRoot("For the next boot, start it later", "sc.exe config AmazonSSMAgent start= delayed-auto"),
			linux.asRoot("For the next boot, start it after network-online.target and let systemd restart it",
				DropIn(`[Unit]\nWants=network-online.target\nAfter=network-online.target\n[Service]\nRestart=always\nRestartSec=90\n`, "boot.conf")+"\nsystemctl daemon-reload"),
			verify,
		},
		Docs: []string{docAgentStart},
	},
	Cause{
		ID: "imdsv2-required-old-agent", Group: "imds", Severity: Critical, Title: "agent cannot speak IMDSv2",
		Meaning: "The instance answers only requests with an IMDSv2 token, and the installed agent is too old to ask for one. Where the account enforces IMDSv2 (HttpTokensEnforced), this is so for every instance launched since then, and IMDSv1 cannot be allowed.",
		Fix: []Step{
			asRoot("Update the agent to {version} or later", "{reinstall}"),
			or(operator)("Or allow IMDSv1 until the agent is updated", "aws ec2 modify-instance-metadata-options --region {region} --instance-id {instance} --http-tokens optional --http-endpoint enabled"),
			restart, verify,
		},
		Docs: []string{docIMDS, docAgentUpdate},
	},
	Cause{
		ID: "imds-unreachable", Group: "imds", Severity: Critical, Title: "instance metadata does not answer",
		Meaning: "This is an EC2 instance, but its metadata service does not answer, and nothing on the host explains why.",
		Fix: []Step{
			operator("If the metadata endpoint is off, switch it on; if it is on, nothing changes",
				"aws ec2 modify-instance-metadata-options --region {region} --instance-id {instance} --http-endpoint enabled"),
			rulesLinux, rulesMac, rulesWindows,
			operator("If nothing on this host stops the packets, stop and start the instance, which may come up on other hardware; a reboot is not enough. What instance stores hold is lost, and a public address changes unless it is an Elastic IP",
				"aws ec2 stop-instances --region {region} --instance-ids {instance} && aws ec2 wait instance-stopped --region {region} --instance-ids {instance} && aws ec2 start-instances --region {region} --instance-ids {instance}"),
			asRoot("If the instance was not stopped and started, restart the agent (left alone, it waits up to {failedwait})", "{restart}"),
			verify,
		},
		Docs: []string{docIMDS},
	},
}
