"""The JSON Schema of routes.yaml, for editors."""

from typing import Any, Final

from broker.config.model import Config

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
ID: Final = "https://raw.githubusercontent.com/tls-broker/tls-broker/main/docs/routes.schema.json"


def json_schema() -> dict[str, Any]:
    """The schema (draft 2020-12). It knows single values; what holds between them, `broker check` knows."""
    schema = _closed(Config.model_json_schema())
    described = {"$schema": DIALECT, "$id": ID, **schema}
    described["title"] = "routes.yaml"
    return described


def _closed(value: Any) -> Any:
    """`value` with every pattern of names made binding: by itself it leaves other names alone."""
    if isinstance(value, list):
        return [_closed(item) for item in value]
    if not isinstance(value, dict):
        return value
    closed = {key: _closed(item) for key, item in value.items()}
    return {"additionalProperties": False, **closed} if "patternProperties" in closed else closed
