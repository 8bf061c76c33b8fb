"""What every HTTP port has: limits for clients that are not known yet, and the rule for `Host`."""
