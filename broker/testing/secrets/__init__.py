"""Look-alikes of the services that keep secrets, as far as their clients can tell."""
