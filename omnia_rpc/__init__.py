"""gRPC on asyncio, over our own HTTP/2: any client or server of any language talks to both ends."""
