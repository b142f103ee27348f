"""Books."""

from django.db import models


class Book(models.Model):
    title = models.CharField(max_length=200)
    pages = models.PositiveIntegerField(default=0)
    scan = models.FileField(upload_to="scans", blank=True)

    def __str__(self) -> str:
        return str(self.title)
