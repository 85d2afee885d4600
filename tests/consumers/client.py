"""A client that is generated from the document reads, fills, invalidates and looks at the queue."""

import json
import sys

from larder_client import Client
from larder_client.api.admin import queue_status
from larder_client.api.data import decide, fill_lease, invalidate, read_entry
from larder_client.models import DecideRequest, InvalidateRequest, Operation, RowName, WireRequest

client, admin = Client(base_url=sys.argv[1]), Client(base_url=sys.argv[2])
entry = {"resource": "product", "id": "50% off/y"}

missing = read_entry.sync_detailed(client=client, **entry)
assert missing.status_code == 404 and missing.parsed.code == "leased", missing
filled = fill_lease.sync_detailed(missing.headers["Larder-Lease"], client=client, body={"price": 5})
assert filled.parsed.stored, filled
hit = read_entry.sync_detailed(client=client, **entry)
assert json.loads(hit.content) == {"price": 5} and hit.status_code == 200, hit

gone = invalidate.sync(client=client, body=InvalidateRequest(rows=[RowName(**entry)]))
assert gone.removed == 1 and gone.found.rows[0].known, gone
asked = WireRequest(operation=Operation.READ, resource="product", id="1")
decided = decide.sync(client=client, body=DecideRequest(request=asked))
assert decided.decision.strategy == "cache_aside", decided
assert queue_status.sync(client=admin).level == "local"
