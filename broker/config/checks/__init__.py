"""What has to hold between the parts of a configuration, and for the files it names; one idea a file."""

from typing import Final

from broker.config.checks.binds import taken_ports
from broker.config.checks.bodies import held_bodies
from broker.config.checks.callers import caller_settings
from broker.config.checks.callers_places import caller_files, caller_headers, caller_places, listener_mtls
from broker.config.checks.certificates import client_certificates, server_certificates, trust_files
from broker.config.checks.credentials_tokens import token_credentials
from broker.config.checks.deadlines import retries
from broker.config.checks.limits import limits, remembered_answers
from broker.config.checks.policy import policies
from broker.config.checks.references import references, unused
from broker.config.checks.routes import ambiguous, names, replacements
from broker.config.checks.targets import several_targets
from broker.config.checks.upstream_http import upstream_http
from broker.config.checks.upstreams import upstream_settings

PURE_CHECKS: Final = (
    references,
    unused,
    names,
    replacements,
    ambiguous,
    taken_ports,
    upstream_settings,
    policies,
    retries,
    limits,
    remembered_answers,
    several_targets,
    upstream_http,
    held_bodies,
    caller_settings,
    caller_places,
    caller_headers,
    listener_mtls,
)
"""Checks that need the text only."""
FILE_CHECKS: Final = (server_certificates, client_certificates, trust_files, caller_files, token_credentials)
"""Checks that read the files which the text names."""
