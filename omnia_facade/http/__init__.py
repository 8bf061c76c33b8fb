"""The HTTP server and its routes. Imported only by pods that serve HTTP: aiohttp costs 25 MB."""
