"""A person's hands: the same manifests on a laptop, chat, call and validate."""
