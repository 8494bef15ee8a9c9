package causes

const (
	// newEndpoint makes an interface endpoint for one service, with the security groups
	// of the endpoints that the VPC has.
	newEndpoint = "groups=$(aws ec2 describe-vpc-endpoints --region {region} --filters Name=vpc-id,Values={vpc} Name=vpc-endpoint-type,Values=Interface --query 'VpcEndpoints[0].Groups[].GroupId' --output text)\n" +
		"aws ec2 create-vpc-endpoint --region {region} --vpc-id {vpc} --vpc-endpoint-type Interface --service-name com.amazonaws.{region}.{service} --subnet-ids {subnet} --security-group-ids $groups --private-dns-enabled"
	// fromVPC lets HTTPS in from all address blocks of the VPC.
	fromVPC = "for s in $(aws ec2 describe-vpcs --region {region} --vpc-ids {vpc} --query 'Vpcs[].CidrBlockAssociationSet[].CidrBlock' --output text); do aws ec2 authorize-security-group-ingress --region {region} --group-id $group --protocol tcp --port 443 --cidr $s; done"
	// newEndpoints makes those that the agent needs, with a security group of their own.
	newEndpoints = "group=$(aws ec2 create-security-group --region {region} --vpc-id {vpc} --group-name ssm-endpoints --description 'HTTPS to VPC endpoints' --query GroupId --output text)\n" +
		fromVPC + "\n" +
		"for s in ssm ssmmessages; do aws ec2 create-vpc-endpoint --region {region} --vpc-id {vpc} --vpc-endpoint-type Interface --service-name com.amazonaws.{region}.$s --subnet-ids {subnet} --security-group-ids $group --private-dns-enabled; done"
)

// AllowAgentOut lets the agent's programs, and no others, through the firewall of Windows.
var AllowAgentOut = windows.asRoot("Allow the agent's programs out to metadata (80) and AWS (443). If a group policy blocks them, change it there", `foreach ($p in 'amazon-ssm-agent', 'ssm-agent-worker', 'ssm-session-worker', 'ssm-document-worker') { New-NetFirewallRule -DisplayName "SSM Agent: $p" -Direction Outbound -Program "$env:ProgramFiles\Amazon\SSM\$p.exe" -Protocol TCP -RemotePort 80,443 -Action Allow }`)

// NAT64 lets a host that has only IPv6 reach endpoints that have only IPv4.
var NAT64 = []Step{
	operator("Turn on DNS64 for the subnet; with a route of 64:ff9b::/96 to a NAT gateway that is NAT64",
		"aws ec2 modify-subnet-attribute --region {region} --subnet-id {subnet} --enable-dns64\naws ec2 create-route --region {region} --route-table-id ROUTE_TABLE_ID --destination-ipv6-cidr-block 64:ff9b::/96 --nat-gateway-id NAT_GATEWAY_ID"),
	restartFailed, verify,
}

// NamesMissing is for names that the VPC's resolver does not know either: an endpoint with
// private DNS brings them.
var NamesMissing = []Step{
	operator("No resolver knows the names, also not that of the VPC: create VPC endpoints for ssm and ssmmessages, whose private DNS brings them", newEndpoints),
	restartFailed, verify,
}

// GoAround is another way for an instance whose own way to the endpoints somebody else closes.
var GoAround = []Step{
	or(operator)("Or go around it: create VPC endpoints for ssm and ssmmessages, which this instance reaches inside its VPC; AWS bills them by the hour", newEndpoints),
}

var networkCauses = []Cause{
	Cause{
		ID: "network-no-egress", Group: "network", Severity: Critical, Title: "no path to the Systems Manager endpoints",
		Meaning: "Connections to the regional Systems Manager endpoints on port 443 do not get out of the network of this host.",
		Fix: []Step{
			operator("Check that the subnet has a route 0.0.0.0/0 to a NAT gateway. If the first answer is empty, the second applies (main route table of the VPC)",
				"aws ec2 describe-route-tables --region {region} --filters Name=association.subnet-id,Values={subnet} --query 'RouteTables[].Routes'\naws ec2 describe-route-tables --region {region} --filters Name=vpc-id,Values={vpc} Name=association.main,Values=true --query 'RouteTables[].Routes'"),
			operator("Check whether the security group allows 443 out", "aws ec2 describe-security-groups --region {region} --group-ids {sg} --query 'SecurityGroups[].IpPermissionsEgress'"),
			operator("Add what is missing there; or, for a private subnet without internet access, create VPC endpoints for ssm and ssmmessages (agents before 3.3.40.0 need one for ec2messages as well)", newEndpoints),
			restartFailed, verify,
		},
		Docs: []string{docEndpoints, docTroubleshoot},
	},
	Cause{
		ID: "vpce-service-missing", Group: "network", Severity: Critical, Title: "VPC endpoint missing for a service",
		Meaning: "One Systems Manager service is reached over a VPC endpoint, another that the agent needs is not, and there is no other way out.",
		Fix: []Step{
			operator("Create the VPC endpoint for {service}", newEndpoint),
			or(inTerraform)("Or in Terraform", "resource \"aws_vpc_endpoint\" \"{service}\" {\n  vpc_id              = \"{vpc}\"\n  vpc_endpoint_type   = \"Interface\"\n  service_name        = \"com.amazonaws.{region}.{service}\"\n  subnet_ids          = [\"{subnet}\"]\n  security_group_ids  = data.aws_vpc_endpoint.other.security_group_ids # of an endpoint the VPC has\n  private_dns_enabled = true\n}"),
			restartFailed, verify,
		},
		Docs: []string{docEndpoints},
	},
	Cause{
		ID: "vpce-sg-blocked", Group: "network", Severity: Critical, Title: "VPC endpoint does not let 443 in",
		Meaning: "The name resolves to the private address of a VPC endpoint, but a connection to port 443 there is not let in; nearly always the endpoint's security group lacks the rule.",
		Fix: []Step{
			operator("Allow inbound 443 from the network of this host, in the security group of the endpoint",
				"group=$(aws ec2 describe-network-interfaces --region {region} --filters Name=addresses.private-ip-address,Values={address} --query 'NetworkInterfaces[0].Groups[0].GroupId' --output text)\n"+fromVPC),
			operator("If the rule is there, look at this host's own security group and the network ACLs",
				"aws ec2 describe-security-groups --region {region} --group-ids {sg} --query 'SecurityGroups[].IpPermissionsEgress'"),
			restartFailed, verify,
		},
		Docs: []string{docEndpoints},
	},
	Cause{
		ID: "vpce-private-dns-off", Group: "network", Severity: Critical, Title: "DNS does not give the VPC endpoint's private address",
		Meaning: "A VPC endpoint exists, but the resolver this host uses gives public addresses for its name: it does not forward to the VPC resolver, or private DNS of the endpoint is off.",
		Fix: []Step{
			unix.onHost("Compare the answers of the VPC resolver and of yours", "dig +short {endpoint} @169.254.169.253; dig +short {endpoint}"),
			windows.onHost("Compare the answers of the VPC resolver and of yours", "Resolve-DnsName {endpoint} -Server 169.254.169.253; Resolve-DnsName {endpoint}"),
			operator("If both are public, turn private DNS of the endpoint on",
				"id=$(aws ec2 describe-vpc-endpoints --region {region} --filters Name=vpc-id,Values={vpc} Name=service-name,Values=com.amazonaws.{region}.{service} --query 'VpcEndpoints[0].VpcEndpointId' --output text)\n"+
					"aws ec2 modify-vpc-endpoint --region {region} --vpc-endpoint-id $id --private-dns-enabled"),
			operator("If only yours is public, let your resolver forward {region}.{domain} to the VPC resolver (169.254.169.253, or an inbound Route 53 Resolver endpoint from outside the VPC)",
				"aws route53resolver list-resolver-endpoints --region {region}"),
			restartFailed, verify,
		},
		Docs: []string{docEndpoints},
	},
	Cause{
		ID: "dns-resolution-failed", Group: "network", Severity: Critical, Title: "endpoint names do not resolve",
		Meaning: "The resolver of this host does not answer, or does not know the names of the Systems Manager endpoints.",
		Fix: []Step{
			unix.onHost("Ask the resolver, then the VPC resolver", "dig {endpoint} @{resolver}; dig {endpoint} @169.254.169.253"),
			linux.asRoot("If only the VPC resolver answers, use it: for systemd-resolved", "mkdir -p /etc/systemd/resolved.conf.d\nprintf '[Resolve]\\nDNS=169.254.169.253\\n' > /etc/systemd/resolved.conf.d/vpc.conf\nsystemctl restart systemd-resolved"),
			or(linux.onHost)("Or see what writes /etc/resolv.conf and correct it there", "ls -l /etc/resolv.conf; cat /etc/resolv.conf; resolvectl status"),
			mac.onHost("If only the VPC resolver answers, correct the DNS servers of the network service", "scutil --dns; networksetup -listallnetworkservices"),
			windows.onHost("Ask the resolver, then the VPC resolver", "Resolve-DnsName {endpoint} -Server {resolver}; Resolve-DnsName {endpoint} -Server 169.254.169.253"),
			windows.asRoot("If only the VPC resolver answers, let the interface take its DNS servers from DHCP again", "Get-DnsClientServerAddress; Set-DnsClientServerAddress -InterfaceAlias {interface} -ResetServerAddresses"),
			operator("If no resolver answers, check whether DNS support of the VPC is on", "aws ec2 describe-vpc-attribute --region {region} --vpc-id {vpc} --attribute enableDnsSupport"),
			restartFailed, verify,
		},
		Docs: []string{docEndpoints},
	},
	Cause{
		ID: "dns-override-stale", Group: "network", Severity: Critical, Title: "endpoint name overridden locally",
		Meaning: "The hosts file, a local zone or the search list of the resolver gives another address for an endpoint, and nothing usable answers there.",
		Fix: []Step{
			unix.onHost("Check what the hosts file says of the endpoints", "grep -nE '{pinned}' /etc/hosts"),
			unix.asRoot("Remove the names; a copy stays in /etc/hosts.bak", "sed -i.bak -E -e 's/[[:space:]]+({pinned})([[:space:]]|$)/\\2/g' -e 's/[[:space:]]+({pinned})([[:space:]]|$)/\\2/g' -e '/^[0-9A-Fa-f.:]+[[:space:]]*$/d' /etc/hosts"),
			windows.onHost("See the lines of the hosts file", `Select-String -Path C:\Windows\System32\drivers\etc\hosts -Pattern '{pinned}'`),
			windows.asRoot("Remove the lines; a copy stays beside it", `$h = "$env:windir\System32\drivers\etc\hosts"; Copy-Item $h "$h.bak"; (Get-Content $h) -notmatch '\s({pinned})(\s|$)' | Set-Content $h`),
			restartFailed, verify,
		},
		Docs: []string{docEndpoints},
	},
	Cause{
		ID: "host-firewall-egress", Group: "network", Severity: Critical, Title: "host firewall blocks outbound 443",
		Meaning: "A firewall on this host itself refuses or drops connections to the Systems Manager endpoints on port 443, queries to the resolver, or what comes back.",
		Fix: []Step{
			linux.asRoot("Find the rule", "nft list ruleset | grep -nE '443|drop|reject'; iptables -S OUTPUT"),
			linux.asRoot("Put a rule before it that lets root out on 443; the agent runs as root. Make it permanent where your firewall is configured", "iptables -I OUTPUT 1 -p tcp --dport 443 -m owner --uid-owner 0 -j ACCEPT"),
			mac.asRoot("Find the rule and remove it from /etc/pf.conf or the anchor it is in", "pfctl -sr | grep -n block"),
			windows.asRoot("Find a rule that blocks; it wins over rules that allow", "Get-NetFirewallRule -Direction Outbound -Action Block -Enabled True | Format-Table Name,DisplayName"),
			AllowAgentOut,
			restartFailed, verify,
		},
		Docs: []string{docEndpoints},
	},
	Cause{
		ID: "ipv6-no-endpoint", Group: "network", Severity: Critical, Title: "no IPv6 path to the endpoint",
		Meaning: "This host has only IPv6, and it has no path to the endpoint: the endpoint has no IPv6 address, and there is no NAT64.",
		Ways:    [][]Step{NAT64},
		Fix: []Step{
			NAT64[0],
			or(unix.asRoot)("Or use the dual-stack endpoints instead of NAT64: agent 3.3.3270.0 or later with Agent.UseDualStackEndpoint true in amazon-ssm-agent.json", "grep -n UseDualStackEndpoint {config}"),
			or(windows.asRoot)("Or use the dual-stack endpoints instead of NAT64: agent 3.3.3270.0 or later with Agent.UseDualStackEndpoint true in amazon-ssm-agent.json", "Select-String -Path {config} -Pattern UseDualStackEndpoint"),
			or(operator)("Or start a new instance in a dual-stack subnet, where it gets an IPv4 address too; an IPv6-only subnet has none to give",
				"aws ec2 describe-subnets --region {region} --filters Name=vpc-id,Values={vpc} Name=ipv6-native,Values=false --query 'Subnets[].[SubnetId,CidrBlock,Ipv6CidrBlockAssociationSet[].Ipv6CidrBlock]'"),
			restartFailed, verify,
		},
		Docs: []string{docEndpoints},
	},
	Cause{
		ID: "route-wrong-interface", Group: "network", Severity: Critical, Title: "traffic leaves by the wrong interface",
		Meaning: "Routing sends traffic for the endpoints out of an interface from which they cannot be reached, while another interface could.",
		Fix: []Step{
			linux.onHost("See which route is chosen and which others there are", "ip route get {address}; ip route show table all | grep default; ip rule"),
			linux.asRoot("Send traffic for {address} through the interface that works. Its gateway is the address after via in its default route; leave via out if {address} is in the interface's own network", "ip route replace {address} via GATEWAY dev {interface}"),
			linux.asRoot("Make it permanent, for example with a lower metric on the right interface", `nmcli connection modify "$(nmcli -g GENERAL.CONNECTION device show {interface})" ipv4.route-metric 50`),
			mac.onHost("See which route is chosen and which others there are", "route -n get {address}; netstat -rn -f inet"),
			mac.asRoot("Send traffic for {address} through the gateway of the interface that works", "route -n add -host {address} GATEWAY"),
			windows.onHost("See which route is chosen and which others there are", "Find-NetRoute -RemoteIPAddress {address}; Get-NetRoute -DestinationPrefix 0.0.0.0/0 | Format-Table InterfaceAlias,NextHop,RouteMetric"),
			windows.asRoot("Send traffic for {address} through the gateway (NextHop) of the interface that works, permanently", "route -p add {address} mask 255.255.255.255 GATEWAY"),
			restartFailed, verify,
		},
		Docs: []string{docTroubleshoot},
	},
	Cause{
		ID: "websocket-blocked", Group: "network", Severity: Critical, Title: "websocket does not get through",
		Meaning: "HTTPS to ssmmessages works, but the websocket upgrade is refused or cut by a proxy or inspection device. Without it there are no sessions, and commands only over the older channel.",
		Fix: []Step{
			onHost("Ask the administrator of the proxy or firewall to allow wss (websocket upgrade) to {endpoint}, without inspection and with an idle time of at least 10 min", "echo {endpoint}:443"),
			restart, verify,
		},
		Docs: []string{docMessageAPI, docProxy},
	},
	Cause{
		ID: "channel-down", Group: "network", Severity: Warning, Title: "message channel does not open",
		Meaning: "The node is accepted, but the agent fails again and again to open its message channel, and nothing that this host can see explains it. Without the channel there are no sessions, and commands only over the older channel.",
		Fix: []Step{
			unix.onHost("Check how it fails", "grep -iE 'control ?channel|websocket' {log}/amazon-ssm-agent.log | tail -n 20"),
			windows.onHost("Check how it fails", `Select-String -Path (Join-Path {log} ssm-agent-worker.log) -Pattern 'control ?channel|websocket' | Select-Object -Last 20`),
			asRoot("Restart the agent: it opens the channel again", "{restart}"),
			onHost("If its handshake is refused again, ask the administrator of the proxy or firewall to allow wss (websocket upgrade) to {endpoint}, without inspection", "echo {endpoint}:443"),
			operator("If the service answers with a status of 500 or more, check for a service event in this Region", serviceEvents),
			verify,
		},
		Docs: []string{docMessageAPI, docSession},
	},
	Cause{
		ID: "channel-stale-connection", Group: "network", Severity: Warning, Title: "control channel on a dead connection",
		Meaning: "The agent's control channel sits on a connection that no longer reaches the service, as after a firewall or NAT dropped it. A new connection works.",
		Fix: []Step{
			asRoot("Restart the agent: it opens a new channel at once", "{restart}"),
			linux.onHost("If it comes back, look for a device with a short idle timeout; see the connection's timers", "ss -tnoi dst :443"),
			mac.onHost("If it comes back, look for a device with a short idle timeout; see the connections", "netstat -anp tcp | grep '[.]443 '"),
			windows.onHost("If it comes back, look for a device with a short idle timeout; see the connections", "Get-NetTCPConnection -RemotePort 443 -State Established"),
			verify,
		},
		Docs: []string{docSession},
	},
	Cause{
		ID: "optional-endpoint-unreachable", Group: "network", Severity: Warning, Title: "endpoint of a feature not reachable",
		Meaning: "A service that registration does not need, but a feature in use does (logs, s3, kms, monitoring), cannot be reached. That feature fails or becomes slow.",
		Fix: []Step{
			operator("Create the VPC endpoint for {service}", newEndpoint),
			operator("If the host should reach {endpoint} another way, allow 443 through firewall and NAT; or switch off the feature that uses it, for sessions their logging", "aws ssm get-document --region {region} --name SSM-SessionManagerRunShell --query Content --output text"),
			verify,
		},
		Docs: []string{docEndpoints, docSession},
	},
}
