"""Files that clients upload before they mention them in a message."""
