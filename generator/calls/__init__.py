"""The request log: the API's calls as their owner may look at them, for `REQUEST_LOG_DAYS`."""
