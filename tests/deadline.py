"""The one deadline of the suite: it ends what hangs, and judges nothing. A machine may be forty times slower."""

HANGS_S = 180.0
