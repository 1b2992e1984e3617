"""Reads a page in Prometheus' text format with Python's own library and says what is in it, as JSON.

usage: metrics.py FILE   (needs the package `prometheus-client`)
"""

import json
import sys

from prometheus_client.parser import text_string_to_metric_families

with open(sys.argv[1], encoding="utf-8") as page:
    families = list(text_string_to_metric_families(page.read()))
print(
    json.dumps(
        {
            family.name: {
                "type": family.type,
                "samples": len(family.samples),
                "buckets": [sample.value for sample in family.samples if sample.name.endswith("_bucket")],
            }
            for family in families
        }
    )
)
