"""Performance of the broker beside nginx, HAProxy, Envoy, Caddy and a plain aiohttp proxy, in one run on one core each.

`python -m bench --help` lists what can be measured; docs/performance.md explains how.
"""
