# The policy of the table, for componentize-py.
import json
from urllib.parse import quote

import wit_world
from wit_world.imports.types import (
    Admission, Decision, Freshness, Loading, Manifest, Placement, Stampede, Strategy,
)

MINUTE = Freshness(60_000, 0, 0, 0, 0, 0, 0.0)


class WitWorld(wit_world.WitWorld):
    def describe(self):
        return Manifest("toolchain", "1.0.0", "Rows by id, for a minute",
                        ["query.page"], [], False, False, False)

    def configure(self, settings):
        json.loads(settings)

    def decide(self, request):
        return Decision(
            Strategy.READ_THROUGH, f"{request.resource}:{quote(request.id, safe='')}", "", MINUTE,
            [request.resource], Loading(Stampede.PER_PROCESS, 0, 0), Placement.EVERY_TIER,
            False, [], "a row")

    def admit(self, request, decision, loaded):
        return Admission(True, decision.freshness, decision.tags, "as decided")
