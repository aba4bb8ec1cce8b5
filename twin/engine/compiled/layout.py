"""The flat tables of the event loop: one record per server, unit, zone, part; lists by where they begin."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "AGED",
    "BLOCK",
    "CURVE_ENDS",
    "FAILED",
    "FORECAST",
    "LINE",
    "LOG",
    "MODE",
    "NEW",
    "ORDER",
    "PART",
    "PLANNED",
    "QUEUED",
    "RELEASE_ROW",
    "ROW",
    "SERVER",
    "UNDER_REPAIR",
    "UNIT",
    "UPKEEP",
    "UPKEEP_DUE",
    "ZONE",
    "World",
]


def _record(**fields: str) -> Any:
    return np.dtype(list(fields.items()), align=True)


LINE = _record(
    now="f8",
    horizon="f8",
    measured_from="i8",
    main_left="i8",
    grants="i8",
    grant_limit="i8",
    log_n="i8",
    log_on="i8",
    events="i8",
    asking="i8",
    touched="i8",
    free_part="i4",
    free_parts="i4",
    reserve="i4",
    queued="i4",
    crews="i4",
    moving="i4",
    receipts="i4",
    ended="i4",
    warm="i4",
    until_done="i4",
    short="i4",
    curve_mode="i4",
    curve_works="i4",
    next_release="i4",
    next_receipt="i4",
    heads="i4",
    placed="i8",
    leaves="i4",
    cyclic="i4",
    overfull="i4",
    stuck_server="i4",
    servers="i4",
    hours="i8",
    hour="i8",
    hour_ends="f8",
    products="i4",
    jobs="i4",
    lots="i4",
)
"""What the whole line knows; ``leaves`` is the number of leaves of the tree of timers."""

SERVER = _record(
    asked="f8",
    asked_crew="f8",
    again="f8",
    idle="f8",
    remaining="f8",
    began="f8",
    operated="f8",
    until="f8",
    work_s="f8",
    since="i8",
    last_order="i8",
    unit="i4",
    phase="i4",
    fresh="i4",
    wants="i4",
    team="i4",
    on="i4",
    down="i4",
    repairing="i4",
    queued="i4",
    running="i4",
    work="i4",
    work_at="i4",
    first="i4",
    last="i4",
    parts="i4",
    last_product="i4",
    shown="i4",
    touched="i4",
    edge="i4",
    edges_end="i4",
    modes_at="i4",
    upkeep_at="i4",
    waiting="i4",
    kit_at="i4",
)
"""``work``: 0 none, FAILED by mode ``work_at``, PLANNED in that row, or UPKEEP_DUE. ``running``: 0 no timer, 1 to the
end of the stretch, 2 to the end of a life. ``again``: when it asked again, empty, as it was up or on shift; it has
been empty since ``idle``. ``waiting``: how many things wait to strike."""

UNIT = _record(
    cycle_start="u8",
    cycle_gamma="u8",
    defect_start="u8",
    defect_gamma="u8",
    detect_start="u8",
    detect_gamma="u8",
    route_start="u8",
    route_gamma="u8",
    arrival_start="u8",
    arrival_gamma="u8",
    product_start="u8",
    product_gamma="u8",
    defect_probability="f8",
    coverage="f8",
    arrived="i8",
    launched="i8",
    position="i8",
    left="i8",
    first_server="i4",
    servers="i4",
    zones="i4",
    zones_at="i4",
    assembles="i4",
    eager="i4",
    batch="i4",
    batch_minimum="i4",
    shares="i4",
    shares_at="i4",
    share_ends_at="i4",
    by_product_at="i4",
    rework="i4",
    rework_limit="i4",
    main="i4",
    sources="i4",
    sources_at="i4",
    cycle_at="i4",
    setup_at="i4",
    modes="i4",
    upkeep="i4",
    work_needs="i4",
    setup_needs="i4",
    teams="i4",
    teams_at="i4",
    opens="i4",
    opens_at="i4",
    closes="i4",
    closes_at="i4",
    consumes="i4",
    consumes_at="i4",
    head="i4",
    launches="i4",
    queue="i4",
    interarrival="i4",
    arriving_at="i4",
    again_first="i4",
    again_last="i4",
    failures_at="i4",
)
"""``launches``: 0 no, 1 the jobs, 2 lots without end. ``queue``: the unit whose position in the jobs or
lots counts. ``consumes_at``: by product, where (item, place of
its quantity) begin, and one more for the end of the last."""

ZONE = _record(
    transport="f8",
    upstream="i4",
    downstream="i4",
    capacity="i8",
    closes="i4",
    closes_at="i4",
    first="i4",
    last="i4",
    parts="i4",
)

PART = _record(
    entered="i8",
    number="i8",
    order="i8",
    index="i8",
    cards="i8",
    ready="f8",
    product="i4",
    main="i4",
    launched="i4",
    defective="i4",
    reworks="i4",
    dest="i4",
    next="i4",
)

MODE = _record(
    life_start="u8",
    life_gamma="u8",
    repair_start="u8",
    repair_gamma="u8",
    fails_at="f8",
    due="f8",
    law_u="f8",
    age="f8",
    residual="f8",
    lives="i8",
    repairs="i8",
    stamp="i8",
    operating="i4",
    life="i4",
    repair="i4",
    curve="i4",
    first="i4",
    waiting="i4",
    server="i4",
)
"""``curve``: 1 while its due event is the end of a forecast's curve. ``first``: how the first life is found."""

FAILED, PLANNED, UPKEEP_DUE = 1, 2, 3
"""What a server is down for."""

BLOCK = 64
"""Variates that are drawn at a time."""

NEW, AGED, FORECAST, CURVE_ENDS, UNDER_REPAIR = range(5)
"""The first draw of its law; ``residual`` seconds; after ``residual`` seconds by the clock; from then on by
the law at ``law_u``; none before the repair ends."""

UPKEEP = _record(
    start="u8",
    gamma="u8",
    parts="i8",
    times="i8",
    every="i8",
    law="i4",
    renews="i4",
    renews_at="i4",
    due_at="i4",
    due_end="i4",
    waiting="i4",
)

QUEUED = _record(time="f8", rank="i8", stamp="i8")
"""An event or a request. ``stamp``: of the life whose end the event is; another by then, and it is none."""
ORDER = _record(started="f8", finished="f8", good="i8", left="i8")
RELEASE_ROW = _record(release="f8", order="i8", product="i4", quantity="i8")
"""A job, or a lot of the saturated line."""
ROW = _record(start="f8", duration="f8", unit="i4", mode="i4")
"""Planned maintenance of the run; also a delivery: start, quantity, item, -."""
LOG = _record(time="f8", part="i8", unit="i4", order="i4", product="i4", kind="i4")


class World(NamedTuple):
    """Everything that one replication reads and writes."""

    line: Any
    server: Any
    unit: Any
    zone: Any
    part: Any
    mode: Any
    upkeep: Any
    event: Any
    ask: Any
    order: Any
    job: Any
    lot: Any
    row: Any
    receipt: Any
    ints: Any
    floats: Any
    law_code: Any
    law_first: Any
    law_params: Any
    tally: Any
    ticks: Any
    made: Any
    rejected: Any
    starts: Any
    failures: Any
    counters: Any
    """Cards left by loop, then people free by team."""
    on_hand: Any
    row_waiting: Any
    drawn: Any
    """Variates of each unit's work by product, a block at a time, and which block it is."""
    drawn_block: Any
    visits: Any
    kit: Any
    touched: Any
    releases: Any
    timer: Any
    timer_rank: Any
    log: Any
