"""Resources of kagent, of its versions 0.6 to 1.0, and the servers of kmcp."""
