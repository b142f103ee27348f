"""WSGI (PEP 3333): threads that take requests and run the application."""
