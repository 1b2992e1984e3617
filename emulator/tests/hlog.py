"""Reads HdrHistogram interval logs with the Python reader and says what is in them, as JSON.

usage: hlog.py FILE   (needs the package `hdrhistogram`)
"""

import json
import sys

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

whole = HdrHistogram(1, 3_600_000_000_000, 3)
reader = HistogramLogReader(sys.argv[1], HdrHistogram(1, 3_600_000_000_000, 3))
intervals = []
while True:
    interval = reader.get_next_interval_histogram()
    if interval is None:
        break
    intervals.append(
        {
            "from_ms": interval.get_start_time_stamp(),
            "to_ms": interval.get_end_time_stamp(),
            "count": interval.get_total_count(),
        }
    )
    whole.add(interval)
print(
    json.dumps(
        {
            "start_time_s": reader.start_time_sec,
            "base_time_s": reader.base_time_sec,
            "intervals": intervals,
            "count": whole.get_total_count(),
            "p50_ms": whole.get_value_at_percentile(50) / 1e6,
            "p99_ms": whole.get_value_at_percentile(99) / 1e6,
            "max_ms": whole.get_max_value() / 1e6,
        }
    )
)
