"""Django without DEBUG logs the exception and responds by itself."""

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
from fails import fail

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="0", DEBUG=False)
urlpatterns = [
    path("boom", lambda request: fail("django")),
    path("deliberate", lambda request: HttpResponse("closed", status=503)),
    path("ok", lambda request: HttpResponse("fine")),
]
wsgi = get_wsgi_application()
asgi = get_asgi_application()
