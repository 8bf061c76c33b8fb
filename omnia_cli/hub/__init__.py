"""The hub: one address of this machine for the pages of all agents, and the way to each of them."""
