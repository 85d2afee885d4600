# The policy `standard` in Rego. Its settings are `data.settings`.
package larder

import rego.v1

escaped(text) := replace(replace(text, "%", "%25"), ":", "%3A")

entity := escaped(input.resource)

row := concat(":", [entity, escaped(input.id)])

fields := [pair[1] | some pair in input.attributes; pair[0] == "query.field"]

default volatile := false

volatile if {
	some field in fields
	field in data.settings.volatile
}

life := {"ttl_ms": data.settings.volatile_ttl_ms, "reason": "volatile field"} if {
	volatile
} else := {"ttl_ms": data.settings.default_ttl_ms, "reason": "row"} if {
	count(fields) == 0
} else := {"ttl_ms": data.settings.default_ttl_ms, "reason": "field"}

default invalidates := []

invalidates := [{"tag": row}, {"tag": entity}] if {
	input.operation != "read"
	data.settings.write_invalidates == "entity"
}

invalidates := [{"tag": row}] if {
	input.operation != "read"
	data.settings.write_invalidates == "row"
}

decision := {
	"strategy": data.settings.strategy,
	"key": concat(":", array.concat([row], [escaped(field) | some field in fields])),
	"namespace": "",
	"freshness": {
		"ttl_ms": life.ttl_ms,
		"jitter_percent": data.settings.jitter_percent,
		"stale_while_revalidate_ms": min([data.settings.stale_while_revalidate_ms, life.ttl_ms]),
		"stale_if_error_ms": data.settings.stale_if_error_ms,
		"time_to_idle_ms": 0,
		"negative_ttl_ms": data.settings.negative_ttl_ms,
		"early_refresh_beta": data.settings.early_refresh,
	},
	"tags": [entity, row],
	"placement": "every_tier",
	"encrypt": false,
	"loading": {
		"stampede": data.settings.stampede,
		"soft_timeout_ms": 0,
		"hard_timeout_ms": 0,
	},
	"invalidates": invalidates,
	"reason": life.reason,
}
