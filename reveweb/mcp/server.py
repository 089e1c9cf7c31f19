"""What speaks MCP: the only importer of the `mcp` package, which costs 0.3 s and 19 MB and is loaded by the first call.

The package's transport keeps nothing between requests here (`stateless`): a session is what `sessions` says it is, so
any web process answers any of its requests. An answer is JSON, or a stream of events where progress was asked for.
"""

import asyncio
import base64
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

from django.conf import settings
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ContentBlock,
    ImageContent,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    ToolAnnotations,
)
from mcp_types import Tool as ToolSpec

from generator.api.calling import request_url
from reveweb import version
from reveweb.held import Receive, Scope, Send
from reveweb.lanes import most_bytes
from reveweb.mcp import errors, tools
from reveweb.mcp.calls import CALL, Call, Told, Tool
from reveweb.mcp.tools import TOOLS
from reveweb.voices import MCP

INSTRUCTIONS = (
    "Draw and edit images. Each image costs credits of the person you work for, so make what they ask for and no more. "
    "Answers carry an image's permanent url: show it to them. A prompt works best when it says what is to be seen, in "
    "which style and light."
)
Context = ServerRequestContext[Any, Any]


class Machine:
    """What serves the MCP requests of an event loop, until it is closed."""

    def __init__(self) -> None:
        server = _server()
        most = most_bytes(MCP)
        plain = partial(StreamableHTTPSessionManager, server, stateless=True, max_request_body_size=most)
        self._in_json, self._in_events = plain(json_response=True), plain()
        self._ready = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name="mcp")

    async def serve(self, scope: Scope, receive: Receive, send: Send, *, in_events: bool) -> None:
        """Serve one request whose body is small and at hand."""
        await self._ready.wait()
        manager = self._in_events if in_events else self._in_json
        await manager.handle_request(scope, receive, send)  # type: ignore[arg-type]  # MutableMapping, where Mapping does

    async def close(self) -> None:
        """End whatever is under way."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        async with self._in_json.run(), self._in_events.run():
            self._ready.set()
            await asyncio.get_running_loop().create_future()


def _server() -> "Server[Any]":
    server: Server[Any] = Server(
        "reveweb",
        version=version.VERSION,
        title=settings.SITE_NAME,
        instructions=INSTRUCTIONS,
        website_url=settings.PUBLIC_URL or None,
        on_list_tools=_list_tools,
        on_call_tool=_call_tool,
    )
    server.middleware.clear()  # it traces for a collector that nobody runs here
    return server


async def _list_tools(context: Context, params: PaginatedRequestParams | None) -> ListToolsResult:
    """List the tools that the caller's key may use."""
    caller = _call_of(context).request.caller
    return ListToolsResult(tools=[_specs.of(tool) for tool in TOOLS if caller.may(tool.scope)])


async def _call_tool(context: Context, params: CallToolRequestParams) -> CallToolResult:
    tool = next((tool for tool in TOOLS if tool.name == params.name), None)
    if tool is None:
        raise MCPError(INVALID_PARAMS, f"There is no tool {params.name[:60]!r}; tools/list names those there are.")
    call = _call_of(context)

    async def progress(seconds: float, words: str) -> None:
        await context.session.report_progress(seconds, settings.MCP_WAIT_SECONDS, words)

    if context.meta and context.meta.get("progress_token") is not None:
        call = replace(call, progress=progress)
    try:
        told = await tools.call(tool, call, params.arguments or {})
    except Exception as error:
        told = errors.tell(call.request, error)
    if "error" in told.data and (url := request_url(call.request)):
        told.data["error"]["request_url"] = url
    call.came_to.append(told)
    return _result(told)


def _result(told: Told) -> CallToolResult:
    content: list[ContentBlock] = [TextContent(text=told.words)]
    if told.preview is not None:
        content.append(ImageContent(data=base64.b64encode(told.preview).decode(), mime_type="image/webp"))
    return CallToolResult(content=content, structured_content=told.data, is_error="error" in told.data)


def _call_of(context: Context) -> Call:
    request: Any = context.request
    call: Call = request.scope[CALL]
    return call


class _Specs:
    """Tools as the protocol describes them; made once, for a schema takes a while."""

    def of(self, tool: Tool) -> ToolSpec:
        return self._all[tool.name]

    @cached_property
    def _all(self) -> dict[str, ToolSpec]:
        return {tool.name: self._spec(tool) for tool in TOOLS}

    @staticmethod
    def _spec(tool: Tool) -> ToolSpec:
        schema = tool.arguments.model_json_schema()
        for unneeded in ("title", "description"):
            schema.pop(unneeded, None)
        for one in schema.get("properties", {}).values():
            one.pop("title", None)
        return ToolSpec(
            name=tool.name,
            title=tool.title,
            description=tool.description,
            input_schema=schema,
            annotations=ToolAnnotations(
                title=tool.title,
                read_only_hint=not tool.changes,
                destructive_hint=False,
                idempotent_hint=not tool.changes,
                open_world_hint=tool.changes,
            ),
        )


_specs = _Specs()
