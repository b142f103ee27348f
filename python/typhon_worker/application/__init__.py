"""The application, whatever its interface: import, detection, warm-up, cancellation, exchanges."""
