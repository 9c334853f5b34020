"""The known ways in which old servers break HTTP, by name: each is let through only where it is asked for."""

from enum import StrEnum


class Quirk(StrEnum):
    """One thing that is wrong with the answers of an upstream, and that is put up with."""

    BARE_LF = "bare_lf"
    """Lines of the head end in LF alone."""
    OBS_FOLD = "obs_fold"
    """A header is continued on lines that begin with a blank."""
    HEADER_NAME_SPACES = "header_name_spaces"
    """Blanks stand between a header's name and its colon."""
    INVALID_HEADER_CHARS = "invalid_header_chars"
    """Control characters stand in a header's value."""
    DUPLICATE_CONTENT_LENGTH = "duplicate_content_length"
    """The same length is said more than once."""
    CONTENT_LENGTH_AND_CHUNKED = "content_length_and_chunked"
    """A chunked body has a length too."""
    CONTENT_LENGTH_MISMATCH = "content_length_mismatch"
    """The connection ends before as many bytes came as were said."""
    BAD_CHUNK_SIZE_SPACES = "bad_chunk_size_spaces"
    """Blanks follow the size of a chunk."""
    CHUNK_WITHOUT_CRLF = "chunk_without_crlf"
    """No line end follows the data of a chunk."""
    MISSING_REASON = "missing_reason"
    """The status line has no reason phrase: any answer may do that, so naming it changes nothing."""
    UNKNOWN_VERSION = "unknown_version"
    """The status line names a version such as HTTP/1.2."""


Quirks = frozenset[Quirk]
NO_QUIRKS: Quirks = frozenset()
