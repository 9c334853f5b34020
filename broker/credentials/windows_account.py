"""Users of Windows domains, as NTLM and Kerberos each name them."""

from dataclasses import dataclass, field

from broker.credentials.flow import CredentialUnavailable


@dataclass(frozen=True, slots=True)
class Account:
    """A user and the password."""

    name: str = field(repr=False)
    """As configured: `user`, `DOMAIN\\user` or `user@realm`."""
    password: str = field(repr=False)
    domain: str = ""
    """The domain of a name that stands alone."""

    @classmethod
    def of(cls, name: bytes, password: bytes, domain: str = "") -> "Account":
        """From the values of secrets; raises `CredentialUnavailable` when they cannot be such."""
        try:
            account = cls(name.decode(), password.decode(), domain)
        except UnicodeDecodeError:
            raise CredentialUnavailable("the user name and the password are UTF-8") from None
        if not account.name or any(ord(char) < 32 for char in account.name):
            raise CredentialUnavailable("a user name is not empty and holds no control characters")
        return account

    @property
    def for_ntlm(self) -> str:
        """`DOMAIN\\user`, or the name as it is."""
        return f"{self.domain}\\{self.name}" if self.domain and not self._placed else self.name

    @property
    def for_kerberos(self) -> str:
        """The principal; without a realm where only a NetBIOS domain is known, so that krb5.conf names the realm."""
        domain, name = self.domain, self.name
        if "\\" in name:
            domain, _, name = name.partition("\\")
        return f"{name}@{domain.upper()}" if "." in domain and "@" not in name else name

    @property
    def _placed(self) -> bool:
        return "\\" in self.name or "@" in self.name
