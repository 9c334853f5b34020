"""What the broker's metrics say before and after."""

from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

Values = dict[str, float]

_LEFT_OUT = ("_bucket", "_created", "_sum")


@dataclass(frozen=True)
class Move:
    """One metric that changed."""

    name: str
    before: float
    after: float

    def __str__(self) -> str:
        """The metric and its change, for a person."""
        return f"{self.name}  {self.before:g} → {self.after:g}"


def values(text: str) -> Values:
    """The broker's own samples in an exposition, by name and labels."""
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {
        _title(sample.name, sample.labels): sample.value
        for sample in samples
        if sample.name.startswith("broker_") and not sample.name.endswith(_LEFT_OUT)
    }


def moves(before: Values, after: Values) -> list[Move]:
    """The samples that changed, by name; one that was not there counts from 0."""
    pairs = ((name, before.get(name, 0.0), value) for name, value in sorted(after.items()))
    return [Move(*each) for each in pairs if each[1] != each[2]]


def _title(name: str, labels: dict[str, str]) -> str:
    inside = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return f"{name}{{{inside}}}" if inside else name
