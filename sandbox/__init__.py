"""Local stand-ins for the services reveweb calls. Reached over HTTP only; imports no Django app."""
