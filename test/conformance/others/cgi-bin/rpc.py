#!/usr/bin/python3
"""XML-RPC over CGI, with the server of the standard library."""

from xmlrpc.server import CGIXMLRPCRequestHandler

handler = CGIXMLRPCRequestHandler()
handler.register_function(pow)
handler.register_introspection_functions()
handler.handle_request()
