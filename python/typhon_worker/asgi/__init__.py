"""ASGI 2 and 3: one event loop that takes requests and runs each as a task."""
