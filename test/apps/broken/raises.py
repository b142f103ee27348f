"""Raises while it is imported, one call deep."""


def read_settings() -> None:
    raise ValueError("DATABASE_URL is missing")


read_settings()
