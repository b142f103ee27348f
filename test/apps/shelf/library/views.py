"""An upload that is hashed, a stream that waits for its reader, a list."""

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.views.decorators.http import require_GET

from .models import Book

PATIENCE_SECONDS = 15


def upload(request: HttpRequest) -> HttpResponse:
    """GET: the form's CSRF token. POST: keeps the file and says what has come."""
    if request.method != "POST":
        return HttpResponse(get_token(request), content_type="text/plain")
    sent = request.FILES["scan"]
    digest = hashlib.sha256()
    for piece in sent.chunks():
        digest.update(piece)
    book = Book.objects.create(title=request.POST["title"], scan=sent)
    return JsonResponse(
        {
            "title": book.title,
            "name": sent.name,
            "size": sent.size,
            "sha256": digest.hexdigest(),
            "stored": os.path.getsize(book.scan.path),
        }
    )


@require_GET
def stream(request: HttpRequest) -> StreamingHttpResponse:
    """Each line waits until the file of the line before it is there: nothing may be held back."""
    seen = Path(request.GET["seen"])

    def lines() -> Iterator[str]:
        for number in range(1, 6):
            yield f"line {number}\n"
            last = time.monotonic() + PATIENCE_SECONDS
            while not seen.with_name(f"{seen.name}.{number}").exists():
                if time.monotonic() > last:
                    raise TimeoutError(f"nobody has seen line {number}")
                time.sleep(0.005)

    return StreamingHttpResponse(lines(), content_type="text/plain")


@require_GET
def list_books(_request: HttpRequest) -> JsonResponse:
    return JsonResponse({"books": list(Book.objects.order_by("id").values_list("title", "pages"))})
