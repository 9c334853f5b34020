"""Whether a good caller notices 10,000 idle connections and 1,000 slow senders; and what an idle connection costs.

`python -m bench.attack`; docs/attack.md explains it.
"""
