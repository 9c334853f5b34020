"""Performance towards servers of the past: SSLv3 to TLS 1.1, RC4, 3DES, through the broker and beside it.

`python -m bench.obsolete --help` lists the options; docs/legacy-tls-performance.md holds a run.
"""
