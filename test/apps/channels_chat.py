"""The chat of Channels' tutorial in one file, with the layer that lives in a worker's memory."""

import json
import os
from typing import Any

import django
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import path, re_path

settings.configure(
    SECRET_KEY="for a test",
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=["channels"],
    ROOT_URLCONF=__name__,
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
)
django.setup()

# Both look at the settings.
from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402


class Chat(AsyncWebsocketConsumer):
    """Whatever one says in a room, all in that room hear."""

    async def connect(self) -> None:
        self.room = self.scope["url_route"]["kwargs"]["room"]
        await self.channel_layer.group_add(self.room, self.channel_name)
        await self.accept()
        await self.send(text_data=json.dumps({"worker": os.getpid()}))

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_discard(self.room, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        event = {"type": "chat.message", "said": text_data, "room": self.room}
        await self.channel_layer.group_send(self.room, event)

    async def chat_message(self, event: dict[str, Any]) -> None:
        await self.send(text_data=json.dumps({"said": event["said"], "room": event["room"]}))


def hello(request: HttpRequest) -> HttpResponse:
    return HttpResponse("join a room")


urlpatterns = [path("", hello)]
app = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": URLRouter([re_path(r"^ws/chat/(?P<room>\w+)/$", Chat.as_asgi())]),
    }
)
