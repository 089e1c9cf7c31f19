"""Webhooks: telling accounts that their images have ended. `jobs.announcements` puts down what this room sends."""
