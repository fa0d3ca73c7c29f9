"""One exchange with a registry: limited, capped, redirected by the crawler's own rules, retried."""
