"""When the file is read again while the broker runs."""

from broker.config.base import Model, setting
from broker.config.scalars import Timeout


class Reload(Model):
    """What makes the broker read this file again; SIGHUP and `POST /reload` always do."""

    watch: bool = setting(True, "Whether a change of this file, or of a certificate it names, is acted on.")
    interval: Timeout = setting("2s", "How often files are looked at; a change counts once it has stood for one more.")
