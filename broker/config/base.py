"""What all parts of the configuration model have in common."""

from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema


class Model(BaseModel):
    """A mapping of routes.yaml: immutable, and closed to keys it does not know."""

    # Strict, because YAML has types of its own: "64" where a number belongs is a slip worth a fault.
    # Hidden input, because the value may be a secret that somebody pasted.
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, validate_default=True, hide_input_in_errors=True
    )


def setting(default: Any, description: str, **constraints: Any) -> Any:
    """A field that may be absent; `default` is written as in the file, so that schema and docs show it."""
    return Field(default=default, description=description, **constraints)


class TextValue:
    """A value that is one string in the file and has parts in the program."""

    PATTERN: ClassVar[str]
    """What the JSON Schema says about the string."""
    EXPECTED: ClassVar[str]
    """How a fault names what belongs here."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """The value that `text` stands for; raises `ValueError` with a message that does not repeat it."""
        raise NotImplementedError

    @classmethod
    def accept(cls, value: object) -> Self:
        """`value` itself when it is parsed already, else parsed; raises `ValueError`."""
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            raise ValueError(f"expected {cls.EXPECTED}")
        return cls.parse(value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls.accept, serialization=core_schema.to_string_ser_schema()
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "pattern": cls.PATTERN}
