"""What a profile and the options beside it come to, in the words of routes.yaml."""

from broker.tls import private
from broker.tls.engines import EngineError, choose
from broker.tls.options import TlsOptions


def describe(options: TlsOptions, wanted: str) -> list[str]:
    """Lines of `key: value`, as the upstream's `tls` could be written; `wanted` is its `engine`."""
    settings = {
        "engine": _engine(options, wanted),
        "min_version": options.min_version.label,
        "max_version": options.max_version.label,
        "security_level": f"{options.security_level}{', keys and groups of any size' * options.any_strength}",
        "legacy_renegotiation": _yes(options.legacy_renegotiation),
        "hello": options.hello,
        "alpn": f"[{', '.join(options.alpn)}]",
        "session_reuse": _yes(options.session_reuse),
        "client_certificate": str(options.identity.chain) if options.identity is not None else "none",
        "ciphers": options.cipher_list,
    }
    return [f"{key}: {value}" for key, value in settings.items()]


def _engine(options: TlsOptions, wanted: str) -> str:
    try:
        name = choose(options, wanted)
    except EngineError as error:
        return f"none ({error})"
    return f"{name} ({private.version()})" if name == "private" else name


def _yes(value: bool) -> str:
    return "true" if value else "false"
