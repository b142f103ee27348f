"""Has nothing that could be called as an application."""

app = "not an application"
