"""What is served besides WebSocket."""
