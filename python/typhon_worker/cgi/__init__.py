"""CGI programs (RFC 3875): one launcher for all of a server, and the templates of warm programs.

Standard library only. `main` is the way in; docs/worker-protocol.md, "CGI launcher", is the
contract with the front.
"""
