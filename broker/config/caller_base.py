"""What all kinds of callers have in common."""

from broker.config.base import Model, setting
from broker.config.policy import PriorityName, RateSetting


class CallerModel(Model):
    """A caller."""

    priority: PriorityName | None = setting(
        None, "Who is served first when an upstream is busy; absent: the route's, else medium."
    )
    rate: RateSetting | None = setting(None, "Calls by this caller, such as 100/s or 600/m burst 20; absent: no limit.")
