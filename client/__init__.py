"""An async client that renews its tokens so quietly that nobody notices."""
