"""What a replica runs beside its calls: sightings into the outbox, and out to their receivers."""

import asyncio
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack, suppress
from functools import partial

from striate.core.errors import StriateError
from striate.core.retry import Backoff
from striate.serve.identities.store import IdentityStore
from striate.serve.webhooks.config import Webhook, Webhooks
from striate.serve.webhooks.outbox import Attempted, EventOutbox
from striate.serve.webhooks.post import Receiver, outcome
from striate.serve.webhooks.sightings import Sighting
from striate.serve.webhooks.signature import read_secrets

logger = logging.getLogger(__name__)

MOST_IN_MEMORY = 10_000
"""Sightings that wait to be written while the store cannot; more are dropped."""
POLL_S = 5.0
"""How often the outbox is looked at, for what other processes left or made due again."""
GATHER_S = 0.02
"""How long sightings are gathered for one transaction, so that busy searches share its commit."""
EXPIRE_EVERY_S = 3600.0
_STORE = Backoff(first_s=0.1, longest_s=10.0, jitter=0.5)


class HookSender:
    """The letters of one hook, from the outbox to its receiver.

    Args:
        hook: who is told.
        config: how hard.
        outbox: where letters wait.
        receiver: takes them.
        clock: seconds since 1970.
        told: of the outcome of attempts, and how many there were.
    """

    def __init__(
        self,
        hook: Webhook,
        config: Webhooks,
        outbox: EventOutbox,
        receiver: Receiver,
        clock: Callable[[], float] = time.time,
        told: Callable[[str, int], None] = lambda outcome, count: None,
    ) -> None:
        self._hook, self._config, self._outbox = hook, config, outbox
        self._receiver, self._clock, self._told = receiver, clock, told
        self._lease_s = config.timeout_s + 60.0
        self._done: list[Attempted] = []
        self.counts: Counter[str] = Counter()
        """Attempts of this process by outcome: ``delivered``, ``failed``, ``dead``."""

    async def deliver_due(self, *, take: bool = True) -> int:
        """Note the attempts before, take what is due, and try it once.

        Args:
            take: False only notes.

        Returns:
            How many letters were tried.

        Raises:
            StriateError: the store does not answer; nothing is forgotten by it.
        """
        if not take and not self._done:
            return 0
        limit = self._config.at_once if take else 0
        letters = await asyncio.to_thread(
            self._outbox.exchange, self._hook.name, self._done, self._clock(), limit, self._lease_s
        )
        self._done = []
        answers = await asyncio.gather(
            *(self._receiver.post(one, self._clock()) for one in letters)
        )
        config, now = self._config, self._clock()
        for letter, answer in zip(letters, answers, strict=True):
            done = outcome(letter, answer, config.attempts, config.backoff, now)
            self._count(done)
            self._done.append(done)
        return len(letters)

    async def next_s(self) -> float:
        """Seconds until there may be something to do, up to `POLL_S`."""
        due = await asyncio.to_thread(self._outbox.next_due, self._hook.name)
        return POLL_S if due is None else min(POLL_S, max(0.0, due - self._clock()))

    def _count(self, done: Attempted) -> None:
        dead = bool(done.error) and done.due_unix_s is None
        outcome = "dead" if dead else "failed" if done.error else "delivered"
        self.counts[outcome] += 1
        self._told(outcome, 1)
        if dead:
            logger.warning("An event for the webhook %s is dead: %s", self._hook.name, done.error)


class WebhookSender:
    """Keeps what searches saw and sends it, in a thread of its own.

    Args:
        store: of record.
        config: who is told of what; without a hook nothing runs.
        deployment: the application's name.
        told: of events by hook, outcome and number, as `Observer.record_event`.

    Raises:
        SettingsError: a secret or an authority's file cannot be used.
    """

    def __init__(
        self,
        store: IdentityStore,
        config: Webhooks,
        deployment: str,
        told: Callable[[str, str, int], None] = lambda hook, outcome, count: None,
    ) -> None:
        for hook in config.hooks:
            read_secrets(hook.secret)
        self._config, self._count = config, told
        self._outbox = EventOutbox(store, deployment, config.most)
        self._wanted = {kind for hook in config.hooks for kind in hook.events}
        self._receivers = [Receiver(hook, config.timeout_s) for hook in config.hooks]
        self._senders = [
            HookSender(hook, config, self._outbox, receiver, told=partial(told, hook.name))
            for hook, receiver in zip(config.hooks, self._receivers, strict=True)
        ]
        self._waiting: deque[tuple[Sequence[Sighting], Future[None]]] = deque()
        self._loop = asyncio.new_event_loop()
        self._told, self._ending = asyncio.Event(), asyncio.Event()
        self._wake = {id(sender): asyncio.Event() for sender in self._senders}
        self.dropped = 0
        """Sightings of this process that nobody is told of, for want of room."""
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        if self._senders:
            self._thread.start()

    def tell(self, sightings: Sequence[Sighting]) -> "Future[None]":
        """Take over what a search saw; this waits for nothing and raises nothing.

        Returns:
            Done when all that a hook wants of it is on the disk, or was dropped. Whoever must not
            lose it waits for that, as `Webhooks.wait` asks.
        """
        future: Future[None] = Future()
        future.set_running_or_notify_cancel()  # a caller who leaves takes nothing back
        wanted = [one for one in sightings if one.kind in self._wanted]
        if not wanted:
            future.set_result(None)
        elif len(self._waiting) >= MOST_IN_MEMORY or self._ending.is_set():
            self._drop(len(wanted))
            future.set_result(None)
        else:
            self._waiting.append((wanted, future))
            with suppress(RuntimeError):  # closed in this moment
                self._loop.call_soon_threadsafe(self._told.set)
        return future

    def counts(self) -> dict[tuple[str, str], int]:
        """Events of this process by hook and outcome, those ``dropped`` under no hook's name."""
        found = {
            (hook.name, what): number
            for hook, sender in zip(self._config.hooks, self._senders, strict=True)
            for what, number in sender.counts.items()
        }
        return {**found, ("", "dropped"): self.dropped}

    def close(self, within_s: float = 30.0) -> None:
        """Write what was told, let attempts under way end, and stop.

        Args:
            within_s: what takes longer ends with the process: nothing that was kept is lost by it.
        """
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ending.set)
            self._loop.call_soon_threadsafe(self._told.set)
            for event in self._wake.values():
                self._loop.call_soon_threadsafe(event.set)
            self._thread.join(within_s)
        elif not self._loop.is_closed():
            self._loop.close()

    def _run(self) -> None:
        """Runs in the thread."""
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._work())

    async def _work(self) -> None:
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
            for receiver in self._receivers:
                await stack.enter_async_context(receiver)
            tasks.create_task(self._write())
            tasks.create_task(self._expire())
            for sender in self._senders:
                tasks.create_task(self._send(sender, self._wake[id(sender)]))

    async def _write(self) -> None:
        """Sightings into the outbox, as they come, several searches a transaction."""
        failures = 0
        while True:
            await self._told.wait()
            self._told.clear()
            if not self._ending.is_set():
                await asyncio.sleep(GATHER_S)
            while self._waiting:
                batch = list(self._waiting)
                try:
                    await asyncio.to_thread(self._keep, batch)
                    failures = 0
                except Exception as error:  # whatever it is, the next try may do
                    failures += 1
                    logger.warning("Events for webhooks cannot be kept yet: %s", error)
                    if self._ending.is_set():
                        self._give_up(batch)
                    await self._pause(_STORE.pause_s(failures))
            if self._ending.is_set():
                return

    def _keep(self, batch: Sequence[tuple[Sequence[Sighting], "Future[None]"]]) -> None:
        """Runs in another thread."""
        sightings = [one for some, _ in batch for one in some]
        self._drop(self._outbox.add(sightings, self._config.hooks))
        self._settle(batch)
        with suppress(RuntimeError):
            for event in self._wake.values():
                self._loop.call_soon_threadsafe(event.set)

    def _give_up(self, batch: Sequence[tuple[Sequence[Sighting], "Future[None]"]]) -> None:
        self._drop(sum(len(some) for some, _ in batch))
        self._settle(batch)

    def _settle(self, batch: Sequence[tuple[Sequence[Sighting], "Future[None]"]]) -> None:
        for _, future in batch:
            self._waiting.popleft()
            future.set_result(None)

    async def _send(self, sender: HookSender, wake: asyncio.Event) -> None:
        """Letters of one hook, for as long as this runs; a hook that hangs hinders no other."""
        failures = 0
        while not self._ending.is_set():
            wake.clear()
            try:
                while await sender.deliver_due() and not self._ending.is_set():
                    pass
                failures = 0
                wait_s = await sender.next_s()
            except Exception as error:  # whatever it is, the next try may do
                failures += 1
                wait_s = _STORE.pause_s(failures)
                logger.warning("The webhooks' outbox does not answer: %s", error)
            with suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), wait_s)
        with suppress(StriateError):  # what was sent and is not noted is sent again by the next
            await sender.deliver_due(take=False)

    async def _expire(self) -> None:
        while not self._ending.is_set():
            with suppress(Exception):  # the next time will do
                before = time.time() - self._config.keep_s
                await asyncio.to_thread(self._outbox.expire, before)
            await self._pause(EXPIRE_EVERY_S)

    async def _pause(self, seconds: float) -> None:
        """Wait, or less where everything ends."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), seconds)

    def _drop(self, count: int) -> None:
        if count:
            self.dropped += count
            self._count("", "dropped", count)
            logger.warning("%d events for webhooks were dropped: there is no room.", count)
