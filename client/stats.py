"""Counters of a token source."""

from dataclasses import dataclass


@dataclass(slots=True)
class Stats:
    """Counters since the source was made.

    Attributes:
        refreshes: answers with new tokens that were accepted.
        coalesced: callers that joined a running refresh.
        late_401s: rejections of a token that had already been replaced: they cost no refresh.
        adopted: tokens read from the storage, written by another process or an earlier run.
        retries: refresh requests sent again after a network error, a timeout, a 429 or a 5xx.
        resumed: refreshes that repeated an unanswered request of an earlier run or another process.
        background: refreshes started before expiry, without waiting callers.
        refused_fresh: refusals of tokens that had just come from a refresh: passed on, since another refresh would
            not help.
        discarded: late answers discarded and revoked because of a login or logout meanwhile.
        journal_failures: refresh requests that could not be journalled before they were sent.
        save_failures: tokens that could not be stored at once; they are kept in memory and tried again.
        callback_failures: exceptions in ``on_refresh`` and ``on_login_required``.
    """

    refreshes: int = 0
    coalesced: int = 0
    late_401s: int = 0
    adopted: int = 0
    retries: int = 0
    resumed: int = 0
    background: int = 0
    refused_fresh: int = 0
    discarded: int = 0
    journal_failures: int = 0
    save_failures: int = 0
    callback_failures: int = 0
