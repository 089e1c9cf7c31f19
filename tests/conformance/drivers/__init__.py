"""A program for each client, which does its rows and tells what came."""
