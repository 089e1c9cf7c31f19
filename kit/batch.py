"""Questions that come at about the same time, answered in one go."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from kit.threads import Pool, in_thread

K = TypeVar("K")
V = TypeVar("V")

MOST = 5000  # questions in one go: a database takes no statement of any length


class Batch(Generic[K, V]):
    """Takes questions one by one, and answers all that came while it was at the ones before with a single call.

    So a question that comes alone waits for nothing, and a thousand cost one round. `answer` may block: it runs on a
    thread of `pool`, one call at a time. It belongs to the event loop that it is used on.
    """

    def __init__(self, answer: Callable[[list[K]], Mapping[K, V]], pool: Pool = Pool.DATABASE) -> None:
        self._answer = answer
        self._pool = pool
        self._asked: dict[K, asyncio.Future[V | None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def ask(self, question: K) -> V | None:
        """Return the answer as of now or later; None where there is none. Raises what `answer` raises."""
        future = self._asked.get(question)
        if future is None:
            future = self._asked[question] = asyncio.get_running_loop().create_future()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="batch")
        return await asyncio.shield(future)  # others may have asked the same

    async def _run(self) -> None:
        await asyncio.sleep(0)  # for all that ask in the same moment
        while self._asked:
            questions = list(self._asked)[:MOST]
            asked = {question: self._asked.pop(question) for question in questions}
            try:
                answers = await in_thread(lambda: self._answer(questions), self._pool)  # noqa: B023 (awaited here)
            except Exception as error:
                for future in asked.values():
                    future.set_exception(error)
            else:
                for question, future in asked.items():
                    future.set_result(answers.get(question))
