"""Bearer tokens that several programs check: no secret is needed for it, only public keys."""
