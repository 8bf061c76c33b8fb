"""Agent cards of the A2A protocol: their content, and their signatures."""
