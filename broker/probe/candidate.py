"""Settings for an upstream that may work, as values to try and as YAML to print."""

from dataclasses import dataclass, replace
from datetime import date, timedelta

_COMMENT_COLUMN = 34
_LONGEST = 116
_YEAR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Setting:
    """One key with its value as YAML, and why it is there."""

    key: str
    value: str
    why: str = ""
    weak: bool = False

    @property
    def plain(self) -> str:
        """Without the comment."""
        return f"{self.key}: {self.value}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """An upstream block."""

    target: str
    tls: tuple[Setting, ...] = ()
    http: tuple[Setting, ...] = ()
    target_why: str = ""
    """Why the target alone is weak: it is not encrypted."""
    timeouts: tuple[Setting, ...] = ()

    def with_tls(self, *more: Setting) -> "Candidate":
        """The same with more settings of TLS; the last of a key counts."""
        merged = {setting.key: setting for setting in (*self.tls, *more)}
        return replace(self, tls=tuple(merged.values()))

    def with_http(self, *more: Setting) -> "Candidate":
        """The same with more settings of HTTP."""
        merged = {setting.key: setting for setting in (*self.http, *more)}
        return replace(self, http=tuple(merged.values()))

    @property
    def weak(self) -> bool:
        """Whether anything in it is weaker than it should be."""
        return any(setting.weak for setting in self.tls)

    @property
    def summary(self) -> str:
        """In one line, for the list of what was tried."""
        said = [setting.plain for setting in self.tls] or (["modern"] if self.target.startswith("https") else ["http"])
        said += [setting.plain for setting in self.http]
        return ", ".join(_shortened(text) for text in said)

    def lines(self, name: str, today: date, step: str = "  ") -> list[str]:
        """The block's lines, from its name on, without outer indentation."""
        out = [f"{name}:", *_lines(step, Setting("targets", f'["{self.target}"]', self.target_why))]
        tls = list(self.tls)
        if self.weak:
            until = (today + _YEAR).isoformat()
            tls.append(Setting("review_by", until, "look again whether this is still needed"))
        for section, settings in (("tls", tls), ("http", list(self.http)), ("timeouts", list(self.timeouts))):
            if settings:
                out.append(f"{step}{section}:")
                out += [line for setting in settings for line in _lines(step * 2, setting)]
        return out

    def yaml(self, name: str, today: date) -> str:
        """The block as it stands in routes.yaml."""
        return "".join(f"{line}\n" for line in ("upstreams:", *(f"  {each}" for each in self.lines(name, today))))


def _lines(indent: str, setting: Setting) -> list[str]:
    """The key with its comment behind it, or above it where the line would be too long."""
    text = f"{indent}{setting.plain}"
    if not setting.why:
        return [text]
    line = f"{text:<{_COMMENT_COLUMN}}  # {setting.why}"
    return [line] if len(line) <= _LONGEST else [f"{indent}# {setting.why}", text]


def _shortened(text: str) -> str:
    return text if len(text) <= 48 else f"{text[:45]}..."
