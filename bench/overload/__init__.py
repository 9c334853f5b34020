"""What becomes of a service that breaks under load when it is offered three times what it can do.

`python -m bench.overload`; docs/overload.md explains it.
"""
