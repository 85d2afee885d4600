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
        # The key holds everything that the manifest asks for: the origin is shown the same.
        page = dict(request.attributes).get("query.page", "1")
        key = ":".join(quote(part, safe="") for part in (request.resource, request.id, page))
        return Decision(
            Strategy.READ_THROUGH, key, "", MINUTE,
            [request.resource], Loading(Stampede.PER_PROCESS, 0, 0), Placement.EVERY_TIER,
            False, [], "a row")

    def admit(self, request, decision, loaded):
        return Admission(True, decision.freshness, decision.tags, "as decided")
