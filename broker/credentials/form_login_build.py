"""From the settings of a login form to what logs in."""

from broker.config.model import FormLoginCredentials
from broker.config.secret_ref import SecretRef
from broker.core.ports import SecretSource, SourceResolver
from broker.credentials.form_login import FormLogin, LoginForm
from broker.credentials.form_login_signs import Expired, Success


def form_login(credentials: FormLoginCredentials, source: SourceResolver) -> FormLogin:
    """The login; raises `SecretUnavailable` when a secret can never be had."""
    fields = [
        (name, source(value) if isinstance(value, SecretRef) else value.encode())
        for name, value in credentials.fields.items()
    ]

    def values() -> list[tuple[str, bytes]]:
        return [(name, each if isinstance(each, bytes) else each.current().reveal()) for name, each in fields]

    form = LoginForm(
        target=credentials.url.encode(),
        values=values,
        page=_page(credentials),
        success=_success(credentials),
        cookies=tuple(name.encode() for name in credentials.cookies),
    )
    sources: list[SecretSource] = [each for _, each in fields if not isinstance(each, bytes)]
    return FormLogin(form, _expired(credentials, form), sources)


def _page(credentials: FormLoginCredentials) -> bytes | None:
    if isinstance(credentials.prefetch, str):
        return credentials.prefetch.encode()
    return credentials.url.encode() if credentials.prefetch else None


def _expired(credentials: FormLoginCredentials, form: LoginForm) -> Expired:
    signs = credentials.expired_when
    return Expired(frozenset(signs.status), signs.location or form.path, (signs.body or "").encode())


def _success(credentials: FormLoginCredentials) -> Success | None:
    signs = credentials.success_when
    if signs is None:
        return None
    return Success(
        frozenset(signs.status), signs.location or "", (signs.body or "").encode(), (signs.cookie or "").encode()
    )
