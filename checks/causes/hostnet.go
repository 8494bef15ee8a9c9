package causes

const docLinkLocal = "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-eni.html"

var hostnetCauses = []Cause{
	Cause{
		ID: "host-network-down", Group: "network", Severity: Critical, Title: "this host has no network",
		Meaning: "The host has no usable IPv4 or IPv6 address, or no route, on the device it needs. Nothing beyond it can be reached, and nothing beyond it is to blame.",
		Fix: []Step{
			operator("Reach the host without its network, for example by the serial console of EC2 (or stop and start it, so that it asks for an address again)",
				"aws ec2-instance-connect send-serial-console-ssh-public-key --region {region} --instance-id {instance} --serial-port 0 --ssh-public-key file://KEY.pub"),
			operator("Check whether a network interface is attached", "aws ec2 describe-instances --region {region} --instance-ids {instance} --query 'Reservations[].Instances[].NetworkInterfaces[].[NetworkInterfaceId,Status,PrivateIpAddress,Ipv6Addresses]'"),
			linux.onHost("Look at devices, addresses and routes", "ip -br link; ip -br addr; ip route; networkctl; nmcli device"),
			linux.asRoot("Ask for an address again with the DHCP client of this host", "networkctl reconfigure {interface} || nmcli device connect {interface} || dhclient -v {interface} || dhcpcd {interface}"),
			mac.asRoot("Ask for an address again", "ifconfig; ipconfig set {interface} DHCP"),
			windows.asRoot("Ask for an address again", "Get-NetAdapter; ipconfig /renew"),
			restartFailed, verify,
		},
		Image: []Step{
			unix.asRoot("Edit {root}{path}: take out what belongs to the machine that the image was made from", "grep -niE 'mac|hwaddr|ether|address' {root}{path}"),
			windows.asRoot("Let the adapters take their addresses from DHCP", "Get-NetAdapter | Set-NetIPInterface -Dhcp Enabled"),
			ImageAgain,
		},
		Docs: []string{docLinkLocal, docTroubleshoot},
	},
	Cause{
		ID: "path-mtu-blackhole", Group: "network", Severity: Critical, Title: "large packets do not arrive (MTU)",
		Meaning: "Connections open, but full-size packets do not arrive and no error comes back: handshakes and requests stall. A tunnel, VPN or peering on the path has a smaller MTU than this host.",
		Fix: []Step{
			linux.onHost("Find the largest packet that gets through (28 bytes of headers come on top)", "for s in 1472 1422 1372 1252 1172; do ping -c 1 -W 1 -M do -s $s {address} >/dev/null && echo \"mtu $((s+28)) passes\" && break; done; tracepath -n {address}"),
			linux.asRoot("Make this host use smaller packets now: try 1400, then less", "ip link set dev {interface} mtu 1400"),
			or(linux.asRoot)("Or let the kernel find the size by itself", "sysctl -w net.ipv4.tcp_mtu_probing=1"),
			linux.asRoot("Make it permanent where this host's network is configured (mtu in netplan, MTUBytes= of systemd-networkd, 802-3-ethernet.mtu of NetworkManager)", "grep -rniE 'mtu' /etc/netplan /etc/systemd/network /etc/NetworkManager/system-connections /etc/sysconfig/network-scripts 2>/dev/null"),
			mac.asRoot("Make this host use smaller packets now: try 1400, then less", "networksetup -setMTU {interface} 1400"),
			windows.asRoot("Make this host use smaller packets now: try 1400, then less", "netsh interface ipv4 show subinterfaces; netsh interface ipv4 set subinterface \"{interface}\" mtu=1400 store=persistent"),
			operator("Fix the cause: let ICMP type 3 code 4 (fragmentation needed) pass in security groups and network ACLs, or clamp the MSS on the tunnel", "aws ec2 describe-network-acls --region {region} --filters Name=association.subnet-id,Values={subnet} --query 'NetworkAcls[].Entries'"),
			restartFailed, verify,
		},
		Docs: []string{"https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/network_mtu.html", docTroubleshoot},
	},
}
