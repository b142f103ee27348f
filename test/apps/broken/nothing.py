"""Has neither app nor application."""

site = object()
