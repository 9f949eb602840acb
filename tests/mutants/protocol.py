"""The guards of PROTOCOL section 4, in the state machines and in the simulated shells around them."""

from __future__ import annotations

from tests.mutants.mutant import Edit, Mutant, Schedules, Tests

WORKER = "watchdogd/core/lease/worker.py"
OVERSEER = "watchdogd/core/lease/overseer.py"
SUPERVISOR = "watchdogd/core/lease/supervisor.py"
MESSAGES = "watchdogd/core/lease/messages.py"
WORKER_SHELL = "tests/protocol/worker.py"
OVERSEER_SHELL = "tests/protocol/overseer.py"
SUPERVISOR_SHELL = "tests/protocol/supervisor.py"

UNIT = "tests/core/test_lease_"

MANY = Schedules(300)
SOME = Schedules(100)

PROTOCOL: tuple[Mutant, ...] = (
    Mutant(
        "nonce",
        "an answer to a beat that was never sent counts from its arrival",
        (
            Edit(
                WORKER,
                '    if sent_at is None:\n        return state, Heard(accepted=False, why="unknown nonce")\n',
                "    if sent_at is None:\n        sent_at = now\n",
            ),
            Edit(
                WORKER,
                "    return state.resent_after not in names or",
                "    return nonce not in names or state.resent_after not in names or",
            ),
        ),
        (SOME,),
    ),
    Mutant(
        "nonce: a lease counts from the beat's sending",
        "it counts from the answer's arrival",
        (Edit(WORKER, "until = sent_at + answer.ttl_s", "until = now + answer.ttl_s"),),
        (SOME,),
    ),
    Mutant(
        "record fence (O1)",
        "an overseer never looks whether the record has a newer epoch",
        (
            Edit(
                OVERSEER_SHELL,
                "        if self.record.epoch == self.state.epoch:\n            return False\n",
                "        if self.record.epoch >= self.state.epoch:\n            return False\n",
            ),
        ),
        (SOME,),
    ),
    Mutant(
        "stored_seq bound: own intent processed",
        "a call above class read does not wait for its intent",
        (Edit(WORKER, "        if state.known < intent_seq:\n", "        if state.known < 0:\n"),),
        (SOME,),
    ),
    Mutant(
        "stored_seq bound: reads at most max_ahead",
        "reads run on",
        (Edit(WORKER, "    if ahead >= state.timing.max_ahead:\n", "    if ahead >= 10_000:\n"),),
        (SOME,),
    ),
    Mutant(
        "stored_seq bound: the head covers rows the window holds back",
        "a beat only claims what was sent on its connection",
        (Edit(WORKER, "head_seq=state.head, applied_n", "head_seq=state.sent, applied_n"),),
        (Tests((f"{UNIT}worker.py",)),),
    ),
    Mutant(
        "grant only with stored_seq >= head_seq",
        "every beat is granted",
        (Edit(OVERSEER, "    if state.stored_seq < head_seq:\n", "    if state.stored_seq < 0:\n"),),
        (SOME,),
    ),
    Mutant(
        "stored_seq is reported after its commit",
        "what is folded counts as stored",
        (
            Edit(
                OVERSEER_SHELL,
                "                    batch.append((seq, body))\n",
                "                    batch.append((seq, body))\n"
                "                    self.state = core.committed(self.state, seq)\n",
            ),
            Edit(
                OVERSEER_SHELL,
                "            self.later(cost, self._commit, tuple(batch))\n",
                "            self.later(cost, self._commit, tuple(batch))\n            self._answer_kept()\n",
            ),
        ),
        (SOME,),
    ),
    Mutant(
        "order number: seen ones are only acknowledged",
        "a repeated order is applied again",
        (
            Edit(
                WORKER,
                "    if order.n <= state.last_n:\n        return OrderStep.ACKNOWLEDGE\n",
                "    if order.n <= state.last_n:\n        return OrderStep.APPLY\n",
            ),
        ),
        (SOME,),
    ),
    Mutant(
        "order number: none is skipped",
        "an order that overtook another is applied at once",
        (
            Edit(
                WORKER,
                "    if order.n > state.last_n + 1:\n        return OrderStep.IGNORE\n",
                "    if order.n > state.last_n + 1:\n        return OrderStep.APPLY\n",
            ),
        ),
        (SOME,),
    ),
    Mutant(
        "order and its number in one transaction",
        "the number is written once the effect is synced",
        (
            Edit(
                WORKER_SHELL,
                "            else:\n                last_n = one[1]\n",
                '            elif one[0] == "number":\n                last_n = one[1]\n',
            ),
            Edit(
                WORKER_SHELL,
                "def _order_applied(self, n: int) -> None:\n        self.applying = False\n",
                "def _order_applied(self, n: int) -> None:\n        self.applying = False\n"
                '        self.record.append("number", n)\n',
            ),
        ),
        (SOME,),
    ),
    Mutant(
        "orders are sent from the record only",
        "an order is in the state, and resent from there, before it is synced",
        (
            Edit(
                OVERSEER_SHELL,
                "            self._write(self._given, (self.orders[0],), "
                '"order", self.state.last_n + 1, self.orders[0])\n',
                "            name = self.orders[0]\n"
                "            body = ForgetOrder(checkpoints=(name,))\n"
                "            self.state, order = core.ordered(self.state, self.world.boot, name, body)\n"
                '            self._write(self._given, (name,), "order", order.n, name)\n'
                '            self._publish("order", order, 1)\n',
            ),
            Edit(
                OVERSEER_SHELL,
                "        self.state, order = core.ordered(self.state, self.world.boot, name, "
                "ForgetOrder(checkpoints=(name,)))\n"
                "        self.truth.promised.append((order.n, order.run))\n"
                '        self._publish("order", order, 1)\n',
                "        self.truth.promised.append((self.state.last_n, name))\n",
            ),
        ),
        (MANY,),
    ),
    Mutant(
        "lrev",
        "an older answer of the same epoch is taken",
        (
            Edit(
                WORKER,
                "    if (answer.epoch, answer.lrev) < state.control.pair:\n",
                "    if answer.epoch < state.control.epoch:\n",
            ),
        ),
        (SOME,),
    ),
    Mutant(
        "(epoch, lrev), not lrev alone",
        "the epoch is left out of the comparison",
        (
            Edit(
                WORKER,
                "    if (answer.epoch, answer.lrev) < state.control.pair:\n",
                "    if answer.lrev < state.control.lrev:\n",
            ),
        ),
        (Schedules(60, "revisions"),),
    ),
    Mutant(
        "held is a second answer",
        "a pause is held as soon as it is latched",
        (
            Edit(
                OVERSEER_SHELL,
                "            self._report_held(())\n",
                "            self.truth.pause_held(name, name in self.desk.wanted)\n",
            ),
        ),
        (SOME,),
    ),
    Mutant(
        "held waits for latched",
        "a pause proven by the worker is held before it is on disk",
        (
            Edit(
                OVERSEER_SHELL,
                "        on_disk = [one for one in self.proven if one.lrev <= self.synced_lrev]\n",
                "        on_disk = self.proven\n",
            ),
        ),
        (MANY,),
    ),
    Mutant(
        "held without an acknowledgement only after ttl + 1 s",
        "after half of it",
        (Edit(OVERSEER, "+ state.timing.ttl_s + PROOF_MARGIN_S", "+ state.timing.ttl_s / 2"),),
        (MANY,),
    ),
    Mutant(
        "the acknowledgement waits for exec",
        "it leaves while the launcher is on its way",
        (Edit(WORKER, "    if state.launching or state.durable", "    if state.durable"),),
        (MANY,),
    ),
    Mutant(
        "the launcher's deadline check",
        "exec whenever it comes to it",
        (Edit(WORKER_SHELL, "        if self.worker.clock() >= self.until:\n", "        if self.until < 0:\n"),),
        (MANY,),
    ),
    Mutant(
        "tools of a dead worker are swept before the next one starts",
        "they live on",
        (Edit(SUPERVISOR_SHELL, "        self.machine.kill_tools()\n        if not", "        if not"),),
        (MANY,),
    ),
    Mutant(
        "a dead launch is killed",
        "the worker waits for a frozen launcher",
        (
            Edit(
                WORKER,
                "    return state.launching and state.mode is Mode.ENFORCE and now >= state.launch_until\n",
                "    return state.launching and now < 0\n",
            ),
        ),
        (MANY,),
    ),
    Mutant(
        "refusals that carry stored_seq: the worker goes back",
        "it waits for what it sent already",
        (Edit(WORKER, "        if answer.stored_seq < state.sent and _tells", "        if state.sent < 0 and _tells"),),
        (SOME,),
    ),
    Mutant(
        "going back once per round trip, however long that is",
        "only on the newest beat's refusal",
        (
            Edit(
                WORKER,
                "    return state.resent_after not in names or names.index(nonce) > names.index(state.resent_after)\n",
                "    return names[-1] == nonce\n",
            ),
        ),
        (MANY,),
    ),
    Mutant(
        "probation thaw",
        "a frozen worker stays frozen",
        (Edit(SUPERVISOR, "or now < state.retry_at:\n", "or now >= 0:\n"),),
        (SOME,),
    ),
    Mutant(
        "any outstanding nonce",
        "only the newest beat's answer counts",
        (
            Edit(
                WORKER,
                "for nonce, at in state.nonces if nonce == answer.nonce), None)",
                "for nonce, at in state.nonces[-1:] if nonce == answer.nonce), None)",
            ),
        ),
        (SOME,),
    ),
    Mutant(
        "fast beats give way to a long round trip",
        "ten a second, always",
        (
            Edit(
                WORKER,
                "        return min(backed_off, state.timing.holding_beat_s)\n",
                "        return state.timing.fast_beat_s + 0 * backed_off\n",
            ),
        ),
        (MANY, Schedules(40, "distant")),
    ),
    Mutant(
        "a link is given up by time",
        "two beats in quick succession are enough",
        (
            Edit(
                WORKER,
                "    return state.nonces[-1][1] - state.unanswered_since >= 2 * state.timing.beat_s\n",
                "    return True\n",
            ),
        ),
        (SOME,),
    ),
    Mutant(
        "boot clock: not the wall clock",
        "leases are reckoned by CLOCK_REALTIME",
        (Edit(WORKER_SHELL, "        return self.world.boot\n", "        return self.world.wall\n"),),
        (MANY,),
    ),
    Mutant(
        "boot clock: not the monotonic clock",
        "leases are reckoned by CLOCK_MONOTONIC",
        (Edit(WORKER_SHELL, "        return self.world.boot\n", "        return self.world.mono\n"),),
        (MANY,),
    ),
    Mutant(
        "freeze_after_s 90",
        "60 s",
        (Edit(MESSAGES, "    freeze_after_s: float = 90\n", "    freeze_after_s: float = 60\n"),),
        (Schedules(40, "restarts"),),
    ),
    Mutant(
        "synced before published",
        "rows leave as soon as they are written",
        (
            Edit(
                WORKER_SHELL,
                "        self.rows.append((body, position))\n        return position\n",
                "        self.rows.append((body, position))\n"
                "        self.state = core.rows_synced(self.state, len(self.rows))\n"
                "        self._send_rows()\n"
                "        return position\n",
            ),
        ),
        (SOME,),
    ),
    Mutant(
        "recovered rows are synced before published (W1)",
        "the worker connects at once with what it found",
        (
            Edit(
                WORKER_SHELL,
                "        self.memory.sync(self, self._after_sync, len(self.record.log), self._recovered)\n",
                "        self.state = core.rows_synced(self.state, len(self.rows))\n        self._recovered()\n",
            ),
        ),
        (MANY,),
    ),
    Mutant(
        "second look",
        "latches and deadline are not looked at after the sync",
        (
            Edit(
                WORKER_SHELL,
                "        wait = core.second_look(self.state, self.clock())\n",
                "        wait = core.second_look(self.state, self.clock()) if self.state.lease is None else None\n",
            ),
        ),
        (MANY,),
    ),
    Mutant(
        "always answering",
        "a beat that cannot be granted gets no answer",
        (
            Edit(
                OVERSEER_SHELL,
                "        self._send(answer)\n\n    def _nothing",
                "        if answer.grant:\n            self._send(answer)\n\n    def _nothing",
            ),
        ),
        (MANY,),
    ),
    Mutant(
        "a gap is never folded",
        "a later event than the next is folded",
        (Edit(OVERSEER, "    if seq == folded_seq + 1:\n", "    if seq > folded_seq:\n"),),
        (SOME,),
    ),
    Mutant(
        "a seen event is not folded again",
        "it is folded whenever it comes",
        (Edit(OVERSEER, "    if seq == folded_seq + 1:\n", "    if seq <= folded_seq + 1:\n"),),
        (SOME,),
    ),
    Mutant(
        "latch cached before its acknowledgement",
        "the acknowledgement leaves before (epoch, lrev, latches) are on disk",
        (Edit(WORKER, " or state.durable != state.control or ", " or "),),
        (SOME,),
    ),
    Mutant(
        "the worker's own durable epoch",
        "a restarted worker knows no epoch",
        (
            Edit(
                WORKER_SHELL,
                "        if self.memory.log:\n            control = self.memory.log[-1][1]\n",
                "",
            ),
        ),
        (SOME,),
    ),
    Mutant(
        "a report counts only from the overseer's own epoch and while younger than ttl (S1)",
        "every report resets the dead-man's switch",
        (
            Edit(
                SUPERVISOR,
                "    if epoch != state.overseer_epoch or not 0 <= age_s < state.timing.ttl_s:\n",
                "    if epoch < 0:\n",
            ),
        ),
        (Tests((f"{UNIT}supervisor.py",)),),
    ),
)
