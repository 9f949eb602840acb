"""All mutants, in the order of the table."""

from __future__ import annotations

from tests.mutants.checkpoints import CHECKPOINTS
from tests.mutants.gate import GATES
from tests.mutants.injections import INJECTIONS
from tests.mutants.mutant import Mutant
from tests.mutants.previews import PREVIEWS
from tests.mutants.protocol import PROTOCOL
from tests.mutants.returns import RETURNS
from tests.mutants.shells import SHELLS

MUTANTS: tuple[Mutant, ...] = (*PROTOCOL, *GATES, *SHELLS, *CHECKPOINTS, *PREVIEWS, *RETURNS, *INJECTIONS)
