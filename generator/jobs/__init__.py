"""From a queued generation to its end: who sends, polls, keeps and settles."""
