"""The MCP server at `/mcp`: programs that think (agents) draw images here as tools, with an API key as everybody.

`door` lets a request in (who calls, which session, how much of it is left), `server` is the only importer of the `mcp`
package, which speaks the protocol, and `tools` lists what can be asked for: `drawing` and `looking` do it, by the same
functions as the API.
"""
