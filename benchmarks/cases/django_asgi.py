"""django_hello.py through Django's own ASGI handler, as it is deployed on uvicorn."""

import django_hello  # noqa: F401 (configures Django)
from django.core.asgi import get_asgi_application

app = get_asgi_application()
