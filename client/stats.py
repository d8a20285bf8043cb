"""What a token source has done so far."""

from dataclasses import dataclass


@dataclass(slots=True)
class Stats:
    """Counters since the source was made.

    Attributes:
        refreshes: answers with new tokens that were taken up.
        coalesced: callers that waited for a refresh which somebody else had begun.
        late_401s: rejections of a token that had already been replaced: they cost nothing.
        adopted: tokens taken over from the storage, where another process or an earlier run had put them.
        retries: refresh requests sent again after a network error, a timeout, a 429 or a 5xx.
        resumed: refreshes that repeated a request which an earlier run, or another process, had left unanswered.
        background: refreshes begun ahead of expiry, nobody waiting.
        refused_fresh: refusals of tokens that had just come from a refresh: passed on, since another refresh would
            mend nothing.
        discarded: late answers thrown away, and revoked, because a login or logout came between.
        journal_failures: refresh requests that could not be written down before they were sent.
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
