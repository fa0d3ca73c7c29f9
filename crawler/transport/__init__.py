"""One exchange with a registry: paced, capped, redirected by our rules, retried."""
