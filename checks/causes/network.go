package causes

// newEndpoint makes an interface endpoint for one service.
const newEndpoint = "aws ec2 create-vpc-endpoint --region {region} --vpc-id {vpc} --vpc-endpoint-type Interface --service-name com.amazonaws.{region}.{service} --subnet-ids {subnet} --security-group-ids ENDPOINT_SECURITY_GROUP_ID --private-dns-enabled"

var _ = add(
	Cause{
		ID: "network-no-egress", Group: "network", Severity: Critical, Title: "no way to the Systems Manager endpoints",
		Meaning: "Connections to the regional Systems Manager endpoints on port 443 do not get out of the network of this host.",
		Fix: []Step{
			operator("See how the subnet is routed: a default route to a NAT gateway (0.0.0.0/0) or none",
				"aws ec2 describe-route-tables --region {region} --filters Name=association.subnet-id,Values={subnet} --query 'RouteTables[].Routes'"),
			operator("Or, for a private subnet, create a VPC endpoint for each of ssm and ssmmessages (and ec2messages for agents before 3.3.40.0)",
				"for s in ssm ssmmessages ec2messages; do aws ec2 create-vpc-endpoint --region {region} --vpc-id {vpc} --vpc-endpoint-type Interface --service-name com.amazonaws.{region}.$s --subnet-ids {subnet} --security-group-ids ENDPOINT_SECURITY_GROUP_ID --private-dns-enabled; done"),
			operator("Look whether the security group lets 443 out", "aws ec2 describe-security-groups --region {region} --group-ids {sg} --query 'SecurityGroups[].IpPermissionsEgress'"),
			restartFailed, verify,
		},
		Docs: []string{docEndpoints, docTroubleshoot},
	},
	Cause{
		ID: "vpce-service-missing", Group: "network", Severity: Critical, Title: "VPC endpoint missing for a service",
		Meaning: "Some Systems Manager service is reached over a VPC endpoint while another that the agent needs has none, and there is no other way out.",
		Fix: []Step{
			operator("Create the VPC endpoint for {service}", newEndpoint),
			inTerraform("In Terraform", "resource \"aws_vpc_endpoint\" \"{service}\" {\n  vpc_id              = \"{vpc}\"\n  vpc_endpoint_type   = \"Interface\"\n  service_name        = \"com.amazonaws.{region}.{service}\"\n  subnet_ids          = [\"{subnet}\"]\n  security_group_ids  = [\"ENDPOINT_SECURITY_GROUP_ID\"]\n  private_dns_enabled = true\n}"),
			restartFailed, verify,
		},
		Docs: []string{docEndpoints},
	},
	Cause{
		ID: "vpce-sg-blocked", Group: "network", Severity: Critical, Title: "VPC endpoint does not let 443 in",
		Meaning: "The name resolves to the private address of a VPC endpoint, but a connection to port 443 there is not let in; nearly always the endpoint's security group lacks the rule.",
		Fix: []Step{
			operator("Find the endpoint's security group by its address",
				"aws ec2 describe-network-interfaces --region {region} --filters Name=addresses.private-ip-address,Values={address} --query 'NetworkInterfaces[].[InterfaceType,Groups]'"),
			operator("Let inbound 443 in from the network of this host",
				"aws ec2 authorize-security-group-ingress --region {region} --group-id ENDPOINT_SECURITY_GROUP_ID --protocol tcp --port 443 --cidr {cidr}"),
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
			onHost("Compare the answers of the VPC resolver and of yours", "dig +short {endpoint} @169.254.169.253; dig +short {endpoint}"),
			operator("If both are public, turn private DNS of the endpoint on",
				"aws ec2 modify-vpc-endpoint --region {region} --vpc-endpoint-id VPC_ENDPOINT_ID --private-dns-enabled"),
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
			onHost("Ask the resolver, then the VPC resolver", "dig {endpoint} @{resolver}; dig {endpoint} @169.254.169.253"),
			asRoot("If only the VPC resolver answers, use it: for systemd-resolved", "printf '[Resolve]\\nDNS=169.254.169.253\\n' > /etc/systemd/resolved.conf.d/vpc.conf && systemctl restart systemd-resolved"),
			onHost("Or see what writes /etc/resolv.conf and correct it there", "ls -l /etc/resolv.conf; cat /etc/resolv.conf; resolvectl status"),
			operator("If no resolver answers, look whether the VPC has DNS support on", "aws ec2 describe-vpc-attribute --region {region} --vpc-id {vpc} --attribute enableDnsSupport"),
			restartFailed, verify,
		},
		Docs: []string{docEndpoints},
	},
	Cause{
		ID: "dns-override-stale", Group: "network", Severity: Critical, Title: "hosts file pins an endpoint",
		Meaning: "The hosts file or a local zone gives a fixed address for an endpoint, and nothing usable answers there.",
		Fix: []Step{
			onHost("See the line", "grep -n {endpoint} /etc/hosts"),
			asRoot("Remove it", "sed -i.bak '/{endpoint}/d' /etc/hosts"),
			restartFailed, verify,
		},
		Docs: []string{docEndpoints},
	},
	Cause{
		ID: "host-firewall-egress", Group: "network", Severity: Critical, Title: "host firewall blocks outbound 443",
		Meaning: "A firewall on this host itself refuses or drops connections to the Systems Manager endpoints on port 443.",
		Fix: []Step{
			asRoot("Find the rule", "nft list ruleset | grep -nE '443|drop|reject'; iptables -S OUTPUT"),
			asRoot("Let outbound 443 pass ahead of it (make it permanent where your firewall is configured)", "iptables -I OUTPUT 1 -p tcp --dport 443 -j ACCEPT"),
			asRoot("Or on Windows", `New-NetFirewallRule -DisplayName 'SSM Agent out' -Direction Outbound -Program "$env:ProgramFiles\Amazon\SSM\amazon-ssm-agent.exe" -Protocol TCP -RemotePort 443 -Action Allow`),
			restartFailed, verify,
		},
		Docs: []string{docEndpoints},
	},
	Cause{
		ID: "ipv6-no-endpoint", Group: "network", Severity: Critical, Title: "no IPv6 way to the endpoint",
		Meaning: "This host has only IPv6, and it has no way from there to the endpoint: no IPv6 address of it, or no NAT64.",
		Fix: []Step{
			operator("Turn on DNS64 for the subnet; with a route of 64:ff9b::/96 to a NAT gateway that is NAT64",
				"aws ec2 modify-subnet-attribute --region {region} --subnet-id {subnet} --enable-dns64"),
			operator("Add that route", "aws ec2 create-route --region {region} --route-table-id ROUTE_TABLE_ID --destination-ipv6-cidr-block 64:ff9b::/96 --nat-gateway-id NAT_GATEWAY_ID"),
			asRoot("Or use the dual-stack endpoints: agent 3.3.3270.0 or later with Agent.UseDualStackEndpoint true in amazon-ssm-agent.json", "grep -n UseDualStackEndpoint {config}"),
			operator("Or give the instance an IPv4 address", "aws ec2 assign-private-ip-addresses --region {region} --network-interface-id ENI_ID --secondary-private-ip-address-count 1"),
			restartFailed, verify,
		},
		Docs: []string{docEndpoints},
	},
	Cause{
		ID: "route-wrong-interface", Group: "network", Severity: Critical, Title: "traffic leaves by the wrong interface",
		Meaning: "Routing sends traffic for the endpoints out of an interface from which they cannot be reached, while another interface could.",
		Fix: []Step{
			onHost("See which way is chosen and what the alternatives are", "ip route get {address}; ip route show table all | grep default; ip rule"),
			asRoot("Route {address} by the interface that works", "ip route replace {address} dev {path}"),
			asRoot("Make it permanent, for example with a lower metric of the right interface", "nmcli connection modify CONNECTION ipv4.route-metric 50"),
			restartFailed, verify,
		},
		Docs: []string{docTroubleshoot},
	},
	Cause{
		ID: "websocket-blocked", Group: "network", Severity: Critical, Title: "websocket does not get through",
		Meaning: "HTTPS to ssmmessages works, but the websocket upgrade is refused or cut by a proxy or inspection device. Without it there are no sessions, and commands only over the older channel.",
		Fix: []Step{
			onHost("Try an upgrade by the same way", "curl -si -m 5 --http1.1 -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==' https://{endpoint}/v1/control-channel/{node}"),
			operator("Let the administrator of the proxy or firewall allow wss (websocket upgrade) to {endpoint}, without inspection and with an idle time of at least 10 min", "printf '%s\\n' {endpoint}:443"),
			restart, verify,
		},
		Docs: []string{docMessageAPI, docProxy},
	},
	Cause{
		ID: "channel-stale-connection", Group: "network", Severity: Warning, Title: "control channel on a dead connection",
		Meaning: "The agent's control channel sits on a connection that no longer reaches the service, as after a firewall or NAT forgot it. A new connection works.",
		Fix: []Step{
			asRoot("Restart the agent: it opens a new channel at once", "{restart}"),
			onHost("If it comes back, look for a device with a short idle timeout; see the connection's timers", "ss -tnoi dst :443"),
			verify,
		},
		Docs: []string{docSession},
	},
	Cause{
		ID: "optional-endpoint-unreachable", Group: "network", Severity: Warning, Title: "endpoint of a feature not reachable",
		Meaning: "A service that registration does not need, but a feature in use does (logs, s3, kms, monitoring), cannot be reached. That feature fails or becomes slow.",
		Fix: []Step{
			operator("Create the VPC endpoint for {service}", newEndpoint),
			operator("Or let {endpoint} on 443 through firewall and NAT; or switch off the feature that uses it, for sessions their logging", "aws ssm get-document --region {region} --name SSM-SessionManagerRunShell --query Content --output text"),
			restart, verify,
		},
		Docs: []string{docEndpoints, docSession},
	},
)
