"""The Python side of the server: a launcher that forks workers, and the workers.

Standard library only, and nothing of it is imported by the application. `launcher` is the way in;
docs/worker-protocol.md is the contract with the front.
"""
