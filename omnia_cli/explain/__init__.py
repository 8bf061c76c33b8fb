"""`omnia explain`: why an object is not ready, from condition to cause to the command."""
