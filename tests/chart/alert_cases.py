"""For each alert, series on which it fires and series on which it does not.

A series is written as promtool has it: `a+bxn` is a value that grows by b, n times, once a minute.
"""

from typing import TypeAlias

Series: TypeAlias = dict[str, str]

AGENT = 'agent="jam",namespace="kitchen"'


def ratio(name: str, label: str, good: str, bad: str, share: int) -> Series:
    """Return counters of which `share` of a hundred steps are bad."""
    return {
        f'{name}{{{AGENT},{label}="{good}"}}': f"0+{100 - share}x60",
        f'{name}{{{AGENT},{label}="{bad}"}}': f"0+{share}x60",
    }


def buckets(name: str, *, slow: int) -> Series:
    """Return a histogram with 100 observations a minute, of which `slow` are within 60 s only."""
    return {
        f'{name}_bucket{{{AGENT},le="{le}"}}': f"0+{100 if le in ('60', '+Inf') else 100 - slow}x60"
        for le in ("0.5", "5", "10", "30", "60", "+Inf")
    }


def limits(share: int) -> Series:
    return {
        f'omnia_turn_limits_reached_total{{{AGENT},limit="max_rounds"}}': f"0+{share}x60",
        f'omnia_pipeline_duration_seconds_count{{{AGENT},status="success"}}': "0+100x60",
    }


def constant(name: str, value: int, labels: str = "") -> Series:
    return {f"{name}{{{labels}}}": f"{value}x60"}


def scores(after: int) -> Series:
    """Return 100 scores a minute, each 1, and in the last 20 minutes `after` hundredths of it."""
    labels = f'{AGENT},eval_id="polite",promptpack_name="p",variant="stable"'
    return {
        f"omnia_eval_score_sum{{{labels}}}": f"0+100x40 {4000 + after}+{after}x19",
        f"omnia_eval_score_count{{{labels}}}": "0+100x60",
    }


def paused(reason: str) -> Series:
    return constant("omnia_rollout_phase", 1, f'{AGENT},phase="Paused",reason="{reason}"')


def stepped_in(share: int) -> Series:
    return {
        f'omnia_rollout_stepped_in_total{{{AGENT},reason="unreachable"}}': f"0+{share}x60",
        f'{REQUESTS}{{{AGENT},status="success",variant="stable"}}': "0+100x60",
    }


ROLLOUT_ENDED = "omnia_rollout_last_end_timestamp_seconds"
BUDGET, EVAL_BUDGET = "omnia_budget_used_ratio", "omnia_eval_budget_used_ratio"
DURATION = "omnia_agent_request_duration_seconds"
FIRST = "omnia_agent_time_to_first_chunk_seconds"
WAIT = "omnia_agent_queue_wait_seconds"
TOOLS, STORE = "omnia_tool_calls_total", "omnia_session_store_operations_total"
RECONCILE = "controller_runtime_reconcile_total"
CONNECTIONS, WATCH = "omnia_agent_connections_active", "omnia_operator_watch_age_seconds"
REQUESTS, COST = "omnia_agent_requests_total", "omnia_provider_cost_total"
READY, LEADER = "omnia_operator_agent_ready", "leader_election_master_status"
DEPTH, LONGEST = "workqueue_depth", "workqueue_longest_running_processor_seconds"
UNMET, PUT_BACK = "omnia_operator_agent_unmet_condition", "omnia_operator_drift_corrections_total"
QUEUED = "workqueue_queue_duration_seconds"
BUILD = "omnia_build_info"
OPERATOR = 'job="omnia",instance="a"'
OTHER = 'job="other",instance="b"'
"""Another controller, whose series have the same names."""


def waits(target: str, *, slow: int) -> Series:
    """Return how long 100 resources a minute wait, of which `slow` wait for up to a minute."""
    queue = f'{target},controller="agentruntime",name="agentruntime"'
    counts = {"1": 100 - slow, "10": 100 - slow, "60": 100, "+Inf": 100}
    return {
        f'{QUEUED}_bucket{{{queue},le="{le}"}}': f"0+{count}x60" for le, count in counts.items()
    }


def reconciled(target: str, *, failed: int) -> Series:
    return {
        f'{RECONCILE}{{{target},controller="provider",result="success"}}': f"0+{100 - failed}x60",
        f'{RECONCILE}{{{target},controller="provider",result="error"}}': f"0+{failed}x60",
    }


def unmet(condition: str, reason: str) -> Series:
    return constant(UNMET, 1, f'{AGENT},condition="{condition}",reason="{reason}"')


FIRES: dict[str, Series] = {
    "OmniaAgentErrors": ratio(REQUESTS, "status", "success", "error", 6),
    "OmniaTurnsSlow": buckets(DURATION, slow=10),
    "OmniaFirstChunkSlow": buckets(FIRST, slow=10),
    "OmniaQueueWaits": buckets(WAIT, slow=10),
    "OmniaConnectionsNearLimit": constant(CONNECTIONS, 8001, AGENT + ',pod="jam-1"'),
    "OmniaSpendHigh": {f'{COST}{{{AGENT},provider="default"}}': "0+0.2x60"},
    "OmniaBudgetNearlySpent": {f'{BUDGET}{{{AGENT},period="day"}}': "0.81x60"},
    "OmniaBudgetSpent": {f'{BUDGET}{{{AGENT},period="month"}}': "1x60"},
    "OmniaEvalBudgetSpent": constant(EVAL_BUDGET, 1, AGENT),
    "OmniaEvalScoreFalling": scores(50),
    "OmniaTurnLimitsReached": limits(11),
    "OmniaToolsFailing": ratio(TOOLS, "status", "success", "timeout", 21),
    "OmniaSessionStoreFailing": ratio(STORE, "status", "success", "unavailable", 2),
    "OmniaRolloutWaits": paused("AnalysisInconclusive"),
    "OmniaRolloutRolledBack": constant(ROLLOUT_ENDED, 3000, AGENT + ',result="RolledBack"'),
    "OmniaCandidateUnreachable": stepped_in(6),
    "OmniaAgentNotReady": constant(READY, 0, AGENT),
    "OmniaSessionStoreUnreachable": unmet("SessionStoreReady", "SessionStoreUnreachable"),
    "OmniaAgentDrifted": unmet("ObjectsInSync", "Drifted"),
    "OmniaObjectsPutBack": {f'{PUT_BACK}{{kind="Service"}}': "0+0.2x60"},
    # somebody else leads, and this operator does not
    "OmniaOperatorLeaderMissing": constant(LEADER, 0, OPERATOR + ',name="omnia-operator"')
    | constant(LEADER, 1, OTHER + ',name="other"'),
    "OmniaOperatorErrors": reconciled(OPERATOR, failed=11),
    "OmniaOperatorBehind": constant(DEPTH, 101, OPERATOR),
    "OmniaOperatorQueueSlow": waits(OPERATOR, slow=10),
    "OmniaOperatorStuck": constant(LONGEST, 301, OPERATOR + ',controller="provider"'),
    "OmniaOperatorWatchSilent": constant(WATCH, 251, 'kind="Provider"'),
}

QUIET: dict[str, Series] = {
    "OmniaAgentErrors": ratio(REQUESTS, "status", "success", "error", 4),
    "OmniaTurnsSlow": buckets(DURATION, slow=4),
    "OmniaFirstChunkSlow": buckets(FIRST, slow=4),
    "OmniaQueueWaits": buckets(WAIT, slow=4),
    # two pods, each with enough room
    "OmniaConnectionsNearLimit": constant(CONNECTIONS, 7000, AGENT + ',pod="jam-1"')
    | constant(CONNECTIONS, 7000, AGENT + ',pod="jam-2"'),
    "OmniaSpendHigh": {f'{COST}{{{AGENT},provider="default"}}': "0+0.1x60"},
    "OmniaBudgetNearlySpent": {f'{BUDGET}{{{AGENT},period="day"}}': "0.79x60"},
    "OmniaBudgetSpent": {f'{BUDGET}{{{AGENT},period="month"}}': "0.79x60"},
    "OmniaEvalBudgetSpent": {f"{EVAL_BUDGET}{{{AGENT}}}": "0.99x60"},
    "OmniaEvalScoreFalling": scores(85),
    "OmniaTurnLimitsReached": limits(9),
    # arguments that do not fit are the model's fault, not the handler's
    "OmniaToolsFailing": ratio(TOOLS, "status", "success", "invalid", 50),
    "OmniaSessionStoreFailing": ratio(STORE, "status", "success", "conflict", 50),
    # a pause that the steps ask for waits for nobody in a hurry
    "OmniaRolloutWaits": paused("PauseStep"),
    "OmniaRolloutRolledBack": constant(ROLLOUT_ENDED, 3000, AGENT + ',result="Promoted"'),
    "OmniaCandidateUnreachable": stepped_in(4),
    # one operator has not seen yet what the other knows
    "OmniaAgentNotReady": constant(READY, 0, AGENT + ',pod="a"')
    | constant(READY, 1, AGENT + ',pod="b"'),
    # a Secret that is missing is no outage
    "OmniaSessionStoreUnreachable": unmet("SessionStoreReady", "SecretNotFound"),
    "OmniaAgentDrifted": unmet("MediaReady", "NotShared"),
    "OmniaObjectsPutBack": {f'{PUT_BACK}{{kind="Service"}}': "0+0.1x60"},
    "OmniaOperatorLeaderMissing": constant(LEADER, 0, OPERATOR + ',pod="a"')
    | constant(LEADER, 1, OPERATOR + ',pod="b"'),
    "OmniaOperatorErrors": reconciled(OPERATOR, failed=9) | reconciled(OTHER, failed=50),
    "OmniaOperatorBehind": constant(DEPTH, 99, OPERATOR) | constant(DEPTH, 500, OTHER),
    "OmniaOperatorQueueSlow": waits(OPERATOR, slow=4) | waits(OTHER, slow=50),
    "OmniaOperatorStuck": constant(LONGEST, 299, OPERATOR + ',controller="provider"')
    | constant(LONGEST, 900, OTHER + ',controller="provider"'),
    "OmniaOperatorWatchSilent": constant(WATCH, 249, 'kind="Provider"'),
}
