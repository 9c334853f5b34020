"""Which legacy TLS servers the broker reaches, by each of its engines, and which nginx, HAProxy and others reach.

`python -m bench.reach --help` lists the options; docs/legacy-tls.md has the results.
"""
