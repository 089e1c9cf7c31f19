"""The generator's pages: translate HTTP, call one domain function each."""
