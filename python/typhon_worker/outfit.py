"""What a worker process has at hand, whatever the interface of its application."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .cancels import Cancels
    from .channel import Channel
    from .notes import Notes
    from .settings import Settings


class Outfit:
    """Opened before the application is imported; what it forks closes all of it."""

    __slots__ = ("base", "cancels", "channel", "is_exclusive", "notes", "queue", "settings")

    def __init__(
        self,
        settings: Settings,
        queue: int,
        notes: Notes,
        cancels: Cancels,
        channel: Channel,
        is_exclusive: bool,
        base: str,
    ) -> None:
        self.settings = settings
        # A non-blocking descriptor of its own for the reading end of the pipe.
        self.queue = queue
        self.notes = notes
        self.cancels = cancels
        self.channel = channel
        # Whether the kernel wakes one exclusive sleeper a write.
        self.is_exclusive = is_exclusive
        # Path of what belongs to this worker in the private directory, but for the names' ends.
        self.base = base
