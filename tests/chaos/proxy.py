"""A TCP proxy in front of a server, which can be cut: the connections end at once, and new ones end as they come."""

import asyncio
import contextlib


class Proxy:
    """Listens on loopback `port` and passes on to `target`, unless it is cut or stalled."""

    def __init__(self, port: int, target: int) -> None:
        self.port, self.target = port, target
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._is_cut = False
        self._flows = asyncio.Event()
        self._flows.set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=1024)

    async def stop(self) -> None:
        if self._server is not None:
            self.cut()
            self._flows.set()
            self._server.close()

    def cut(self) -> None:
        """Drop every connection, and each new one as it comes."""
        self._is_cut = True
        for writer in list(self._open):
            writer.transport.abort()

    def stall(self) -> None:
        """Take connections and bytes, and pass nothing on."""
        self._flows.clear()

    def mend(self) -> None:
        self._is_cut = False
        self._flows.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        self._open.add(writer)
        try:
            with contextlib.suppress(OSError):
                await self._flows.wait()
                inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.target)
                self._open.add(inner_writer)
                await asyncio.gather(self._pump(reader, inner_writer), self._pump(inner_reader, writer))
                self._open.discard(inner_writer)
        finally:
            self._open.discard(writer)
            writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
        writer.close()
