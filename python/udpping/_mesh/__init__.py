"""Every pair of several hosts: who pings whom, the hosts' part, results. Uses services and rooms below."""
