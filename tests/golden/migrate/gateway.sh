#!/bin/sh
# written for this test
IPT=/usr/sbin/iptables
nfct helper add ftp inet tcp
nfct helper add ftp inet6 tcp
nfct add helper telescope inet tcp
for l4 in tcp udp; do nfct helper add rpc inet $l4; done

$IPT -t raw -A PREROUTING -i office0 -p tcp --dport 21 -s 10.1.0.0/16 \
	-m comment --comment "it's the office" -j CT --helper ftp
$IPT -t raw -A PREROUTING -i office1 -p tcp --dport 21 -s 10.1.0.0/16 -j CT --helper ftp
$IPT -t raw -A PREROUTING -p tcp --dport 2121 -d 10.9.9.9 -j CT --helper ftp
$IPT -t raw -A PREROUTING -p tcp --dport 111 -d 10.2.0.0/24,10.2.4.7 -j CT --helper rpc
$IPT -t raw -A PREROUTING -p udp -m udp --dport sunrpc -d 10.2.0.0/24 -j CT --helper rpc
$IPT -t raw -A PREROUTING -p udp --dport 111 -d 10.2.4.7 -j CT --helper rpc
$IPT -t raw -A PREROUTING ! -i evil0 -p tcp --dport 1521 -j CT --helper tns
iptables -t raw -A PREROUTING -s $LAN -p tcp --dport 1521 -j CT --helper tns
iptables -t raw -A OUTPUT -p udp -d 239.255.255.250 --dport 1900 -j CT --helper=ssdp
iptables -t raw -A PREROUTING -p udp --dport 5060 -j CT --helper sip
iptables -A FORWARD -m conntrack --ctstate RELATED -m helper --helper ftp -j ACCEPT
iptables -A FORWARD -m conntrack --ctstate RELATED -m helper --helper rpc -j ACCEPT
