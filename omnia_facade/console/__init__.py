"""The page at `/` on which a person talks to the agent, or fills in the function's input."""
