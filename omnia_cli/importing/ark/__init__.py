"""Resources of ARK."""
