"""The Model Context Protocol: an agent or a function as one tool.

https://modelcontextprotocol.io/specification/2026-07-28. Nothing is kept between requests: the
conversation travels in the arguments and the result of the tool.
"""
