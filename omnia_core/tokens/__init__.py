"""Verification of bearer tokens with public keys."""
