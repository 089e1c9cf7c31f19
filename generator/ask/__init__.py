"""From a request to a generation: validated, limited, paid, queued."""
