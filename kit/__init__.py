"""The ground: named modules that know no app."""
