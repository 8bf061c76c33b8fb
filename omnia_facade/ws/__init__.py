"""The WebSocket protocol: its vocabulary, its rules, and the socket."""
