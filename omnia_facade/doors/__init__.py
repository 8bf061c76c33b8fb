"""The doors: protocols of others, translated into turns and back. Each is imported when used."""
